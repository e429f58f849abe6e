// SPDX-License-Identifier: Apache-2.0

// Runs a fuzz target over the files of its corpus (a directory), so that the targets are built and
// every finding of old is tried in each build, with or without a fuzzing compiler.

#include <dirent.h>
#include <limits.h>
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
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry;
	int inputs = 0, ret = 0;

	if (!dir) {
		fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	LLVMFuzzerTestOneInput(nothing, 0);
	while (!ret && (entry = readdir(dir))) {
		char path[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		ret = replay_file(path) ? 1 : 0;
		inputs++;
	}
	closedir(dir);
	printf("%d inputs\n", inputs);
	return inputs ? ret : 1;
}
