// SPDX-License-Identifier: Apache-2.0

// Runs a fuzz target over the files of its corpus, so that the targets are built and every finding
// of old is tried in each build, with or without a fuzzing compiler.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define REPLAY_MAX_SIZE (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	uint8_t *bytes = malloc(REPLAY_MAX_SIZE);
	FILE *f = fopen(path, "rb");
	size_t size;

	if (!bytes || !f) {
		perror(path);
		free(bytes);
		if (f)
			fclose(f);
		return -1;
	}
	size = fread(bytes, 1, REPLAY_MAX_SIZE, f);
	fclose(f);
	// Exactly as large as the input, so that a sanitizer sees a read past its end.
	bytes = realloc(bytes, size ? size : 1);
	if (bytes)
		LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
	return 0;
}

int main(int argc, char **argv)
{
	static const uint8_t nothing[1];

	LLVMFuzzerTestOneInput(nothing, 0);
	for (int i = 1; i < argc; i++)
		if (replay_file(argv[i]))
			return 1;
	printf("%d inputs\n", argc);
	return 0;
}
