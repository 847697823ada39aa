// Kernels that multiply in bf16 and add in fp32 (VDPBF16PS, AVX-512 BF16). Two factors of neighbouring terms of a sum lie
// together in 32 bits ("pair", the first in the low half); weights, inputs and gradients are rounded to bf16 as they are
// paired, everything else (sums, outputs, optimizer, statistics) is fp32.
#pragma once
#include <cstdint>
#include "kernels.h"

struct KernelsBf16 {
  // n floats to bf16, round to nearest even
  void (*narrow)(const float* x, int64_t n, uint16_t* y);
  // y[i] = pair(x[i], x[i + distance])
  void (*pairUp)(const float* x, int64_t n, int64_t distance, uint32_t* y);
  // HWIO-like weights [rows][run][cout] to pairs along the run, packed in blocks of channels; an odd run ends with zero
  void (*packWeights)(const float* w, int rows, int run, int cout, uint32_t* packed);
  // as Kernels::convRow, on bf16 rows
  void (*convRow)(const uint16_t* const* rows, int kernel, int cin, int cout, const uint32_t* w, const float* bias, float* out, int width);
  // as Kernels::normGradRow, giving the row in bf16 (unless null) and as pairs of pixels [(width + 1) / 2][cout]; the
  // convolution's output comes as `z`, or else in bf16 as `z16`
  void (*normGradRow)(const float* z, const uint16_t* z16, const float* dy, const uint8_t* code, const float* xp, int y, const ConvShape& s,
                      const float* const* coefficients, uint16_t* narrow, uint32_t* pairs);
  // as Kernels::denseWeightsRow, on rows of pixel pairs (pairUp with distance cin) and pairs of gradients
  void (*weightsRow)(const uint32_t* const* rows, int kernel, int cin, int cout, const uint32_t* dz, int width, float* dw);
  // as Kernels::denseForward; w is pairs of rows [k / 2][units]
  void (*denseForward)(const float* x, int64_t pitch, int n, int64_t k0, int64_t k1, const uint32_t* w, int units, float* y);
  // as Kernels::denseBackward; dy is pairs of pictures [n / 2][units], dyT pairs of units [units / 2][n]; wPairs is made anew
  double (*denseBackward)(const float* x, int64_t pitch, int n, int64_t k0, int64_t k1, float* w, float* m, float* v, uint32_t* wPairs,
                          const uint32_t* dy, const uint32_t* dyT, int units, float* dx, const AdamStep& step, float* scratch);
  // as Kernels::peak
  double (*peak)(int64_t rounds);
};

// Null when the processor has no AVX-512 BF16.
const KernelsBf16* kernelsBf16();

// Pairs along a run of `run` values.
inline int pairsOf(int run) { return (run + 1) / 2; }
