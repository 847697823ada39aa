// The fully connected part of a step. The rows of the weights (inputs) are cut into parts, so that each weight is read by
// one thread only; the parts' outputs are added in order.
#include <algorithm>
#include <cstring>
#include "clock.h"
#include "program.h"
#include "simd.h"

const float* Program::denseInput(int index) const {
  const Layer& before = layers_[index - 1];
  if (!before.spec.conv) return before.activation;
  return before.normalized && !packedForInference_ ? before.normalized : before.output;
}

// First row of the weights of a part, a multiple of 16.
static int64_t firstRow(int64_t rows, int part, int count) { return rows / LANES * part / count * LANES; }

// A small layer is not worth cutting.
static int partsOf(int64_t rows, int units) { return rows * units < (1 << 16) ? 1 : parts; }

void Program::denseForward(int index, int n, const uint8_t* mask) {
  Layer& l = layers_[index];
  Timed timed(profile, "dense" + std::to_string(index - convs_ + 1) + " forward");
  const int units = l.unitsPadded, count = partsOf(l.pitchIn, units);
  const float* x = denseInput(index);
  const int64_t perPart = (int64_t)((spec_.batch + LANES - 1) / LANES * LANES) * units;
  const float* w = l.tensor[roleWeight].slot[slotValue];
  team_.run(count, [&](int t, int) {
    float* y = l.partialOut + t * perPart;
    std::memset(y, 0, (int64_t)n * units * sizeof(float));
    const int64_t from = firstRow(l.pitchIn, t, count), to = firstRow(l.pitchIn, t + 1, count);
    if (bf16_) bf16_->denseForward(x, l.pitchIn, n, from, to, l.weightPairs, units, y);
    else k_.denseForward(x, l.pitchIn, n, from, to, w, units, y);
  });
  const float* bias = l.tensor[roleBias].slot[slotValue];
  const float keep = 1.0f / (1.0f - l.spec.dropout);
  for (int i = 0; i < n; i++)
    for (int u = 0; u < units; u++) {
      float z = bias[u];
      for (int t = 0; t < count; t++) z += l.partialOut[t * perPart + (int64_t)i * units + u];
      if (l.spec.relu) z = z <= 0 ? 0 : z;
      if (mask) z = u < l.spec.units && mask[(int64_t)i * l.spec.units + u] ? z * keep : 0.0f;
      l.activation[(int64_t)i * units + u] = z;
    }
}

// The weights in bf16, after they were written from outside; else the backward pass keeps them up to date.
void Program::prepareDensePairs() {
  for (size_t index = convs_; index < layers_.size(); index++) {
    Layer& l = layers_[index];
    const int units = l.unitsPadded;
    const float* w = l.tensor[roleWeight].slot[slotValue];
    team_.run(parts, [&](int t, int) {
      for (int64_t k = firstRow(l.pitchIn, t, parts); k < firstRow(l.pitchIn, t + 1, parts); k += 2)
        bf16_->pairUp(w + k * units, units, units, l.weightPairs + k / 2 * units);
    });
  }
  pairsValid_ = true;
}

// The gradient at the activation is there already. Updates the weights; returns the sum of squares of their gradient.
double Program::denseBackward(int index, int n, const uint8_t* mask, float rate) {
  Layer& l = layers_[index];
  Timed timed(profile, "dense" + std::to_string(index - convs_ + 1) + " backward and update");
  const int units = l.unitsPadded, count = partsOf(l.pitchIn, units), np = (n + LANES - 1) / LANES * LANES;
  float* dy = l.activationGradient;
  const float keep = 1.0f / (1.0f - l.spec.dropout);
  for (int i = 0; i < n; i++)
    for (int u = 0; u < units; u++) {
      float& g = dy[(int64_t)i * units + u];
      if (mask) g = u < l.spec.units && mask[(int64_t)i * l.spec.units + u] ? g * keep : 0.0f;
      // with dropout, a zero activation was either dropped or negative: no gradient in both cases
      if (l.spec.relu && !(l.activation[(int64_t)i * units + u] > 0)) g = 0;
    }
  Tensor& b = l.tensor[roleBias];
  for (int u = 0; u < units; u++) {
    float sum = 0;
    for (int i = 0; i < n; i++) sum += dy[(int64_t)i * units + u];
    b.gradient[u] = sum;
    for (int i = 0; i < np; i++) l.gradientT[(int64_t)u * np + i] = i < n ? dy[(int64_t)i * units + u] : 0.0f;
  }
  if (bf16_) {
    if (n % 2) std::memset(dy + (int64_t)n * units, 0, units * sizeof(float));
    for (int i = 0; i < n; i += 2) bf16_->pairUp(dy + (int64_t)i * units, units, units, l.gradientPairs + (int64_t)i / 2 * units);
    for (int u = 0; u < units; u += 2) bf16_->pairUp(l.gradientT + (int64_t)u * np, np, np, l.gradientTPairs + (int64_t)u / 2 * np);
  }
  const float* x = denseInput(index);
  Layer& before = layers_[index - 1];
  float* dx = before.spec.conv ? before.outputGradient : before.activationGradient;
  Tensor& w = l.tensor[roleWeight];
  const AdamStep a = adam(rate);
  double squares[parts];
  team_.run(count, [&](int t, int thread) {
    const int64_t from = firstRow(l.pitchIn, t, count), to = firstRow(l.pitchIn, t + 1, count);
    float *m = w.slot[1], *v = w.slot[spec_.sgd ? 1 : 2], *scratch = scratch_[thread].dense;
    squares[t] = bf16_ ? bf16_->denseBackward(x, l.pitchIn, n, from, to, w.slot[0], m, v, l.weightPairs, l.gradientPairs, l.gradientTPairs, units, dx, a, scratch)
                       : k_.denseBackward(x, l.pitchIn, n, from, to, w.slot[0], m, v, dy, l.gradientT, units, dx, a, scratch);
  });
  k_.optimize(b.slot[0], b.slot[1], b.slot[spec_.sgd ? 1 : 2], b.gradient, units, a);
  double total = 0;
  for (int t = 0; t < count; t++) total += squares[t];
  return total;
}
