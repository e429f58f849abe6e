// SPDX-License-Identifier: Apache-2.0

// Frames of any bytes into the whole graph of a configured gateway. A byte says the port, and by
// its highest bit that checksums are to be made right; two the size; the frame follows; and so on.

#include "graph_world.h"

#include <string.h>

#define FRAMES_MAX 16
#define FRAME_MAX  9000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[FRAME_MAX];

	world_init();
	for (unsigned i = 0; i < FRAMES_MAX && size > 3; i++) {
		size_t len = (size_t)data[1] << 8 | data[2];
		uint8_t how = data[0];

		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		if (len > FRAME_MAX)
			len = FRAME_MAX;
		memcpy(frame, data, len);
		data += len;
		size -= len;
		if (how & 0x80)
			world_mend(frame, len);
		world_receive(how & 1, frame, len);
	}
	world_settle();
	return 0;
}
