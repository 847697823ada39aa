// Vectors of floats for the instruction set that this translation unit is compiled for (GCC/Clang vector extensions),
// so that one source of each kernel serves AVX-512, AVX2 and anything else. kernels.cpp is compiled once per set.
//
// Channel counts of all buffers are padded to a multiple of 16 (LANES) whatever the vector length, so that layouts do
// not depend on the instruction set.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
#define VL 16
#elif defined(__AVX2__)
#include <immintrin.h>
#define VL 8
#else
#define VL 4
#endif
#define LANES 16
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 64")

typedef float vf __attribute__((vector_size(VL * 4)));
typedef float vfu __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(VL * 4)));

INLINE vf load(const float* p) { return *(const vfu*)p; }
INLINE void store(float* p, vf x) { *(vfu*)p = x; }
INLINE vf splat(float x) { return x - (vf){}; }
// Asks for memory that is read soon, into the second-level cache.
INLINE void fetchAhead(const void* p, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char*)p + i, 0, 2);
}
INLINE vf sqrtv(vf x) {
#if VL == 16
  return (vf)_mm512_sqrt_ps((__m512)x);
#elif VL == 8
  return (vf)_mm256_sqrt_ps((__m256)x);
#else
  vf r;
  for (int i = 0; i < VL; i++) r[i] = __builtin_sqrtf(x[i]);
  return r;
#endif
}
INLINE float sumv(vf x) {
  float s = 0;
  for (int i = 0; i < VL; i++) s += x[i];
  return s;
}
