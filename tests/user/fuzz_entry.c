// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry of libFuzzer for the target that FUZZ_ONE names.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	FUZZ_ONE(data, size);
	return 0;
}
