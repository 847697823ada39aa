// A function marked so is compiled for several generations of processors; the loader picks one.
#pragma once

#if defined(__x86_64__) && defined(__ELF__)
#define CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define CLONES
#endif
