// Layout of a program's memory, and its steps in order. The passes over convolutions are in program_conv.cpp, over
// dense layers in program_dense.cpp, the exchange of weights in program_state.cpp.
#include "program.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include "arena.h"
#include "clock.h"
#include "simd.h"

static int padded(int n) { return (n + LANES - 1) / LANES * LANES; }

void Program::layout(Arena& a) {
  const int n = spec_.batch, threads = spec_.threads, np = padded(n);
  int64_t image = 0, rows = 0, ring = 0, grad = 0, lists = 0, dense = 0;
  int channels = spec_.channels;
  for (int index = 0; index < (int)layers_.size(); index++) {
    Layer& l = layers_[index];
    const BlockSpec& s = l.spec;
    auto tensor = [&](Role role, int64_t size, bool trained, bool gradient) {
      Tensor& t = l.tensor[role];
      t.size = size;
      for (int i = 0; i < (trained ? (spec_.sgd ? 2 : 3) : 1); i++) t.slot[i] = a.take<float>(size);
      if (gradient) t.gradient = a.take<float>(size);
    };
    if (s.conv) {
      const int cout = padded(s.filters), width = s.inputSize + s.padBefore + s.padAfter;
      l.shape = {width, channels, cout, s.kernel, s.convSize, s.outputSize, s.stride, s.window, s.windowStride, s.windowPad};
      l.halving = s.stride == 1 && s.window == 2 && s.windowStride == 2 && s.windowPad == 0 && !s.depthwise;
      l.picture = l.halving && index == 0 && channels == 3 && s.kernel == 3 && width >= 8;
      l.closed = l.picture && s.norm;
      l.sparse = l.halving && !s.norm && s.kernel == 3 && !l.picture;
      l.weightChannels = s.depthwise ? 1 : channels;
      const int64_t weights = s.average ? 0 : (int64_t)s.kernel * s.kernel * l.weightChannels * cout;
      tensor(roleWeight, weights, true, true);
      tensor(roleBias, cout, true, true);
      if (s.norm)
        for (int r = roleGamma; r < roles; r++) tensor((Role)r, cout, r <= roleBeta, r <= roleBeta);
      l.packed = a.take<float>(weights), l.packedBias = a.take<float>(cout);
      l.turned = index > 0 ? a.take<float>(weights) : nullptr;
      l.packedPairs = bf16_ ? a.take<uint32_t>(weights) : nullptr;
      l.turnedPairs = bf16_ && index > 0 ? a.take<uint32_t>(weights) : nullptr;
      l.outputFloats = (int64_t)s.outputSize * s.outputSize * cout;
      l.fullFloats = (int64_t)s.convSize * s.convSize * cout;
      // cheap convolutions are done again in the backward pass; that is less traffic than keeping their output
      l.keepsOutput = s.norm && !l.closed && s.kernel * s.kernel * l.weightChannels > 32;
      l.full = l.keepsOutput && !bf16_ ? a.take<float>(n * l.fullFloats) : nullptr;
      l.full16 = l.keepsOutput && bf16_ ? a.take<uint16_t>(n * l.fullFloats) : nullptr;
      l.output = a.take<float>(n * l.outputFloats);
      l.code = a.take<uint8_t>(n * l.outputFloats);
      const bool last = index == convs_ - 1;
      l.normalized = s.norm && !l.closed && last ? a.take<float>(n * l.outputFloats) : nullptr;
      l.gradientPerThread = !anyNorm_ && !last;
      l.outputGradient = a.take<float>((l.gradientPerThread ? threads : n) * l.outputFloats);
      for (auto& c : l.coefficient) c = a.take<float>(cout);
      l.sign = a.take<float>(cout);
      l.sums = a.take<double>(2LL * parts * cout);
      l.partialFloats = l.sparse ? (int64_t)cout * s.kernel * paddedRun(s.kernel, channels) : weights;
      l.partial = a.take<float>(parts * l.partialFloats);
      if (l.closed) {
        l.moments = a.take<PictureSums>(parts * rowClasses);
        l.patchSum = a.take<double>(27), l.patchProducts = a.take<double>(27 * 27);
      }
      l.partialBias = a.take<float>(parts * cout), l.partialSums = a.take<float>(2LL * parts * cout);
      image = std::max(image, (int64_t)width * width * channels);
      rows = std::max(rows, (int64_t)std::max(2, s.average ? 1 : s.window) * s.convSize * cout);
      ring = std::max(ring, (int64_t)(s.kernel + 1) * (std::max(s.convSize, width / s.stride + 1) + 2 * s.kernel) * cout + 64);
      if (s.padBefore + s.padAfter > 0) grad = std::max(grad, (int64_t)width * width * channels);
      lists = std::max(lists, (int64_t)(s.outputSize + 4) * cout * 8 + cout * 4);
      channels = cout;
    } else {
      l.pitchIn = s.flatChannels ? (int64_t)s.flatSize * s.flatSize * channels : padded(s.inputs);
      l.unitsPadded = padded(s.units);
      tensor(roleWeight, l.pitchIn * l.unitsPadded, true, false);
      tensor(roleBias, l.unitsPadded, true, true);
      l.activation = a.take<float>((int64_t)np * l.unitsPadded);
      l.activationGradient = a.take<float>((int64_t)np * l.unitsPadded);
      l.gradientT = a.take<float>((int64_t)np * l.unitsPadded);
      l.partialOut = a.take<float>((int64_t)parts * np * l.unitsPadded);
      if (bf16_) {
        l.weightPairs = a.take<uint32_t>(l.pitchIn / 2 * l.unitsPadded);
        l.gradientPairs = a.take<uint32_t>((int64_t)np / 2 * l.unitsPadded);
        l.gradientTPairs = a.take<uint32_t>((int64_t)np * l.unitsPadded / 2);
      }
      dense = std::max(dense, (int64_t)8 * (2 * l.unitsPadded + n + np + 1));
    }
  }
  zeros_ = a.take<float>(ring);
  for (auto& t : scratch_) {
    t.image = a.take<float>(image), t.rows = a.take<float>(rows), t.ring = a.take<float>(ring), t.grad = a.take<float>(grad);
    t.dense = a.take<float>(dense), t.lists = a.take<char>(lists);
    if (!bf16_) continue;
    t.image16 = a.take<uint16_t>(image), t.imagePairs = a.take<uint32_t>(image);
    t.ring16 = a.take<uint16_t>(ring), t.gradPairs = a.take<uint32_t>(rows);
  }
}

Program::Program(const ProgramSpec& spec, const Kernels& kernels)
    : spec_(spec), k_(kernels), bf16_(spec.bf16 ? kernelsBf16() : nullptr), team_(spec.threads), layers_(spec.blocks.size()), scratch_(spec.threads) {
  for (size_t i = 0; i < layers_.size(); i++) {
    layers_[i].spec = spec.blocks[i];
    convs_ += spec.blocks[i].conv;
    anyNorm_ |= spec.blocks[i].conv && spec.blocks[i].norm;
  }
  Arena measure;
  layout(measure);
  mapped_ = measure.used();
}

void Program::allocate() {
  memory_ = Arena::map(mapped_);
  Arena arena(Arena::alignedBase(memory_));
  layout(arena);
}

Program::~Program() {
  if (memory_) Arena::unmap(memory_, mapped_);
}

AdamStep Program::adam(float rate) const {
  const double t = (double)steps + 1;
  if (spec_.sgd) return {rate, spec_.beta1, 0, 0, 0, spec_.weightDecay, true, steps == 0};
  const double c1 = 1 - std::pow((double)spec_.beta1, t), c2 = 1 - std::pow((double)spec_.beta2, t);
  return {(float)(rate / c1), spec_.beta1, spec_.beta2, (float)(1 / std::sqrt(c2)), spec_.adamEpsilon, spec_.weightDecay, false, false};
}

// Cross-entropy of softmax of one row of logits, and its gradient.
static double crossEntropy(const float* z, int classes, int best, int label, int n, float* g) {
  double sum = 0;
  for (int c = 0; c < classes; c++) sum += std::exp((double)z[c] - z[best]);
  for (int c = 0; c < classes; c++) g[c] = (float)((std::exp((double)z[c] - z[best]) / sum - (c == label)) / n);
  return std::log(sum) + z[best] - z[label];
}

// The sparsemax loss of one row of logits, and its gradient: Martins and Astudillo 2016, algorithm 1 and equation 17. Logits
// are taken relative to the largest, which changes neither.
static double sparsemaxLoss(const float* z, int classes, int best, int label, int n, float* g, std::vector<double>& sorted) {
  sorted.resize(classes);
  for (int c = 0; c < classes; c++) {
    if (!std::isfinite(z[c])) return NAN;
    sorted[c] = (double)z[c] - z[best];
  }
  std::sort(sorted.begin(), sorted.end(), [](double a, double b) { return a > b; });
  double sum = 0, tau = 0;
  for (int k = 0; k < classes && 1 + (k + 1) * sorted[k] > sum + sorted[k]; k++) sum += sorted[k], tau = (sum - 1) / (k + 1);
  double squares = 0;
  for (int c = 0; c < classes; c++) {
    const double shifted = (double)z[c] - z[best], p = std::max(0.0, shifted - tau);
    if (p > 0) squares += shifted * shifted - tau * tau;
    g[c] = (float)((p - (c == label)) / n);
  }
  return std::max(0.0, (double)z[best] - z[label] + squares / 2 + 0.5);
}

// Mean loss of the last layer's logits, and its gradient.
double Program::loss(const int32_t* labels, int n, int* correct) {
  Layer& l = layers_.back();
  const int classes = l.spec.units, pitch = l.unitsPadded;
  std::vector<double> sorted;
  double total = 0;
  *correct = 0;
  for (int i = 0; i < n; i++) {
    const float* z = l.activation + (int64_t)i * pitch;
    float* g = l.activationGradient + (int64_t)i * pitch;
    int best = 0;
    for (int c = 1; c < classes; c++)
      if (z[c] > z[best]) best = c;
    *correct += best == labels[i];
    total += spec_.sparsemax ? sparsemaxLoss(z, classes, best, labels[i], n, g, sorted) : crossEntropy(z, classes, best, labels[i], n, g);
    for (int c = classes; c < pitch; c++) g[c] = 0;
  }
  return total / n;
}

StepResult Program::step(const uint8_t* pixels, const int32_t* labels, int n, float rate, const std::vector<const uint8_t*>& masks) {
  StepResult result;
  const int count = (int)layers_.size();
  {
    Timed timed(profile, "prepare weights");
    prepareWeights(false);
  }
  forwardConvs(pixels, n, true);
  for (int i = convs_; i < count; i++) denseForward(i, n, masks[i]);
  result.loss = loss(labels, n, &result.correct);
  result.norms.assign(count, 0.0);
  if (!std::isfinite(result.loss)) return result;
  for (int i = count - 1; i >= convs_; i--) result.norms[i] = denseBackward(i, n, masks[i], rate);
  backwardConvs(pixels, n);
  Timed timed(profile, "update convolutions");
  for (int i = 0; i < convs_; i++) {
    if (layers_[i].spec.norm) updateRunning(layers_[i], n);
    result.norms[i] = updateConv(layers_[i], n, rate);
  }
  steps++;
  packedValid_ = false;
  return result;
}

void Program::predict(const uint8_t* pixels, int n, float* logits, const std::vector<uint8_t*>& alive) {
  if (!packedValid_ || !packedForInference_) prepareWeights(true);
  forwardConvs(pixels, n, false);
  for (int i = convs_; i < (int)layers_.size(); i++) denseForward(i, n, nullptr);
  for (size_t i = 0; i < alive.size(); i++)
    if (alive[i]) markAlive(layers_[i], n, alive[i]);
  const Layer& l = layers_.back();
  for (int i = 0; i < n; i++) std::memcpy(logits + (int64_t)i * l.spec.units, l.activation + (int64_t)i * l.unitsPadded, l.spec.units * sizeof(float));
}

// Marks the channels or units that are above 0 somewhere at the layer's output. Most are in the first picture, so this looks at little.
void Program::markAlive(const Layer& l, int n, uint8_t* alive) {
  const int count = l.spec.conv ? l.spec.filters : l.spec.units, pitch = l.spec.conv ? l.shape.cout : l.unitsPadded;
  const int64_t places = l.spec.conv ? (int64_t)l.shape.pooled * l.shape.pooled : 1;
  const float* output = l.spec.conv ? l.output : l.activation;
  std::vector<int> dead;
  for (int c = 0; c < count; c++)
    if (!alive[c]) dead.push_back(c);
  for (int64_t at = 0; at < n * places && !dead.empty(); at++) {
    const float* x = output + at * pitch;
    for (size_t i = 0; i < dead.size();) {
      if (!(x[dead[i]] > 0)) i++;
      else alive[dead[i]] = 1, dead[i] = dead.back(), dead.pop_back();
    }
  }
}
