// The convolutional part of a step. Without batch normalization a picture goes through all layers while it is in cache;
// with it, every layer waits for the statistics of the whole batch.
#include <algorithm>
#include <cmath>
#include <cstring>
#include "clock.h"
#include "program.h"

// HWIO weights, times a factor per output channel where given, as convRow wants them.
static void pack(const float* w, const ConvShape& s, int cin, int cout, const float* factor, float* packed) {
  const int64_t taps = (int64_t)s.kernel * s.kernel * cin;
  const int block = packBlock(cout);
  for (int c = 0; c < cout; c += block)
    for (int64_t j = 0; j < taps; j++, packed += block)
      for (int i = 0; i < block; i++) packed[i] = w[j * cout + c + i] * (factor ? factor[c + i] : 1.0f);
}

// Weights of the input gradient: [cout][9][cin] for the sparse kernel, else turned by 180 degrees and packed in blocks of
// input channels for convRow. With a stride, each place of an input pixel under the windows has the weights that reach it,
// one place after the other; see Program::inputRow.
static void turn(const float* w, const ConvShape& s, bool sparse, int block, float* out) {
  const int k = s.kernel, cin = s.cin, cout = s.cout;
  if (sparse) {
    for (int t = 0; t < k * k; t++)
      for (int ci = 0; ci < cin; ci++)
        for (int co = 0; co < cout; co++) out[((int64_t)co * k * k + t) * cin + ci] = w[((int64_t)t * cin + ci) * cout + co];
    return;
  }
  for (int r = 0; r < s.stride; r++)
    for (int c = 0; c < s.stride; c++) {
      const int rows = tapsAt(s, r), columns = tapsAt(s, c);
      const int64_t perBlock = (int64_t)rows * columns * cout * block;
      for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++)
          for (int ci = 0; ci < cin; ci++)
            for (int co = 0; co < cout; co++) {
              const int64_t tap = ((int64_t)(rows - 1 - y) * columns + (columns - 1 - x)) * cout + co;
              out[(ci / block) * perBlock + tap * block + ci % block] =
                  w[((int64_t)((r + s.stride * y) * k + c + s.stride * x) * cin + ci) * cout + co];
            }
      out += (int64_t)rows * columns * cin * cout;
    }
}

// The forward weights, times a factor per output channel where given.
static void packForward(Layer& l, const float* factor, const KernelsBf16* bf16) {
  const ConvShape& s = l.shape;
  const float* w = l.tensor[roleWeight].slot[slotValue];
  if (l.spec.depthwise) {
    for (int64_t i = 0; i < l.tensor[roleWeight].size; i++) l.packed[i] = w[i] * (factor ? factor[i % s.cout] : 1.0f);
    return;
  }
  if (!bf16) return pack(w, s, s.cin, s.cout, factor, l.packed);
  const int64_t taps = (int64_t)s.kernel * s.kernel * s.cin;
  for (int64_t i = 0; i < taps * s.cout; i++) l.packed[i] = w[i] * (factor ? factor[i % s.cout] : 1.0f);
  bf16->packWeights(l.packed, s.kernel, s.kernel * s.cin, s.cout, l.packedPairs);
}

void Program::prepareWeights(bool inference) {
  if (bf16_ && !pairsValid_) prepareDensePairs();
  for (int i = 0; i < convs_; i++) {
    Layer& l = layers_[i];
    if (l.spec.average) continue;
    const int cout = l.shape.cout;
    const float* w = l.tensor[roleWeight].slot[slotValue];
    const float* bias = l.tensor[roleBias].slot[slotValue];
    if (inference && l.spec.norm) {
      const float *gamma = l.tensor[roleGamma].slot[0], *beta = l.tensor[roleBeta].slot[0];
      const float *mean = l.tensor[roleMean].slot[0], *variance = l.tensor[roleVariance].slot[0];
      for (int c = 0; c < cout; c++) {
        const float scale = gamma[c] / std::sqrt(variance[c] + l.spec.epsilon);
        l.coefficient[2][c] = scale;
        l.packedBias[c] = (bias[c] - mean[c]) * scale + beta[c];
      }
      packForward(l, l.coefficient[2], bf16_);
      continue;
    }
    // a closed layer's weights are packed when the batch's statistics are known
    if (!l.closed || inference) packForward(l, nullptr, bf16_);
    std::memcpy(l.packedBias, bias, cout * sizeof(float));
    if (inference) continue;
    if (l.turned && !l.spec.depthwise) turn(w, l.shape, l.sparse, bf16_ && !l.sparse ? l.shape.cin : packBlock(l.shape.cin), l.turned);
    if (l.turned && bf16_ && !l.sparse) bf16_->packWeights(l.turned, l.shape.kernel, l.shape.kernel * cout, l.shape.cin, l.turnedPairs);
    if (!l.spec.norm) continue;
    const float* gamma = l.tensor[roleGamma].slot[0];
    for (int c = 0; c < cout; c++) l.sign[c] = gamma[c] < 0 ? -1.0f : 1.0f;
  }
  packedForInference_ = inference;
  packedValid_ = true;
}

// A picture as the layer's input, padded. Points into the previous layer's output where nothing has to be done to it.
const float* Program::inputImage(int index, int image, const uint8_t* pixels, int thread, bool training) {
  const Layer& l = layers_[index];
  const BlockSpec& s = l.spec;
  const int channels = l.shape.cin, width = l.shape.width, size = s.inputSize;
  const Layer* before = index > 0 ? &layers_[index - 1] : nullptr;
  const bool norm = before && before->spec.norm && training && !before->closed;
  const bool pad = s.padBefore + s.padAfter > 0;
  const float* source = before ? before->output + image * before->outputFloats : nullptr;
  if (before && !norm && !pad) return source;
  float* out = scratch_[thread].image;
  if (pad) std::memset(out, 0, (int64_t)width * width * channels * sizeof(float));
  const int64_t picture = (int64_t)size * size * channels;
  const int rows = pad ? size : 1, perRow = pad ? size : size * size;
  for (int y = 0; y < rows; y++) {
    float* to = out + (pad ? ((int64_t)(y + s.padBefore) * width + s.padBefore) * channels : 0);
    const int64_t from = (int64_t)y * size * channels;
    if (!before)
      k_.normalize(pixels + image * picture + from, perRow * channels, channels, spec_.scale.data(), spec_.shift.data(), to);
    else if (norm)
      k_.affine(source + from, perRow, channels, before->coefficient[2], before->coefficient[3], before->spec.relu, to);
    else
      std::memcpy(to, source + from, (int64_t)perRow * channels * sizeof(float));
  }
  return out;
}

void Program::convRow(const Layer& l, const float* const* rows, const float* bias, float* out) const {
  const ConvShape& s = l.shape;
  if (l.spec.depthwise) k_.depthwiseRow(rows, s.kernel, s.stride * s.cin, s.cout, l.packed, bias, out, s.out);
  else k_.convRow(rows, s.kernel, s.kernel * s.cin, s.stride * s.cin, s.cout, l.packed, bias, out, s.cout, s.out);
}

void Program::convForward(int index, int image, const uint8_t* pixels, int part, int thread, bool training) {
  Layer& l = layers_[index];
  if (l.spec.average) {
    const float* x = inputImage(index, image, pixels, thread, training);
    for (int p = 0; p < l.shape.pooled; p++) k_.averageRow(x, p, l.shape, l.output + image * l.outputFloats + (int64_t)p * l.shape.pooled * l.shape.cout);
    return;
  }
  const ConvShape& s = l.shape;
  const bool norm = l.spec.norm && training && !l.closed;
  Timed timed(profile, l.spec.norm ? "conv" + std::to_string(index + 1) + " forward (norm)" : "conv" + std::to_string(index + 1) + " forward", thread == 0);
  const float* x = inputImage(index, image, pixels, thread, training);
  const int64_t pitch = (int64_t)s.width * s.cin, rowFloats = (int64_t)s.out * s.cout, pooledRow = (int64_t)s.pooled * s.cout;
  float* output = l.output + image * l.outputFloats;
  uint8_t* code = l.code + image * l.outputFloats;
  double* sums = l.sums + 2LL * part * s.cout;
  const float* rows[maxKernel];
  const uint16_t* rows16[maxKernel];
  uint16_t* image16 = scratch_[thread].image16;
  if (bf16_) bf16_->narrow(x, (int64_t)s.width * pitch, image16);
  const int last = norm ? s.out : std::min(s.out, (s.pooled - 1) * s.windowStride - s.windowPad + s.window);
  const bool keep = norm && l.full;
  const int ring = l.halving ? 2 : s.window;
  for (int y = 0; y < last; y++) {
    const int64_t place = image * l.fullFloats + y * rowFloats;
    float* row = keep ? l.full + place : scratch_[thread].rows + y % ring * rowFloats;
    for (int r = 0; r < s.kernel; r++) rows[r] = x + (y * s.stride + r) * pitch, rows16[r] = image16 + (y + r) * pitch;
    const float* bias = norm ? nullptr : l.packedBias;
    if (bf16_) bf16_->convRow(rows16, s.kernel, s.cin, s.cout, l.packedPairs, bias, row, s.out);
    else convRow(l, rows, bias, row);
    if (norm) k_.momentsRow(row, s.out, s.cout, sums, sums + s.cout);
    if (norm && l.full16) bf16_->narrow(row, rowFloats, l.full16 + place);
    if (!l.halving) {
      poolRows(l, image, y, norm, thread);
      continue;
    }
    if ((y & 1) == 0 || (y >> 1) >= s.pooled) continue;
    const float* top = keep ? row - rowFloats : scratch_[thread].rows;
    const int64_t at = (y >> 1) * pooledRow;
    if (norm) k_.extremeRow(top, row, s.pooled, s.cout, l.sign, output + at, code + at);
    else k_.poolRow(top, row, s.pooled, s.cout, l.spec.relu, output + at, code + at);
  }
}

// The coefficients of batch normalization from mean and variance (without the bias), which are kept in l.sums until the loss is
// known to be finite.
static void setCoefficients(Layer& l, int c, double mean, double variance) {
  const float gamma = l.tensor[roleGamma].slot[0][c], beta = l.tensor[roleBeta].slot[0][c];
  const double inverse = 1 / std::sqrt(variance + l.spec.epsilon);
  l.coefficient[0][c] = (float)mean, l.coefficient[1][c] = (float)inverse;
  l.coefficient[2][c] = (float)(gamma * inverse), l.coefficient[3][c] = (float)(beta - mean * gamma * inverse);
  l.coefficient[6][c] = l.spec.relu ? 0.0f : -INFINITY;
  l.sums[c] = mean, l.sums[l.shape.cout + c] = variance;
}

// Sums of patches and of their products over the batch, from the parts' sums by row class: a window that starts at row r has the
// common interior and two more rows.
static void sumPatches(const PictureSums* moments, double* patchSum, double* products) {
  static const int rowsOf[3][2] = {{1, 2}, {2, 3}, {3, 4}};
  std::fill_n(patchSum, 27, 0.0), std::fill_n(products, 27 * 27, 0.0);
  for (int part = 0; part < parts; part++)
    for (int r = 0; r < 3; r++)
      for (int which : {0, rowsOf[r][0], rowsOf[r][1]}) {
        const PictureSums& m = moments[part * rowClasses + which];
        for (int i = 0; i < 9; i++) patchSum[r * 9 + i] += m.sum[i];
        for (int d = 0; r + d < 3; d++)
          for (int i = 0; i < 9; i++)
            for (int j = 0; j < 9; j++)
              products[(r * 9 + i) * 27 + (r + d) * 9 + j] += m.inside[d][i % 3][3 * (j / 3 - i / 3 + 2) + j % 3] + m.border[d][i / 3][i % 3][j];
      }
  for (int k = 0; k < 27; k++)
    for (int j = 0; j < k / 9 * 9; j++) products[k * 27 + j] = products[j * 27 + k];
}

// Statistics of the first convolution's output without computing it, and its weights with the normalization folded in.
void Program::closedMoments(const uint8_t* pixels, int n) {
  Layer& l = layers_[0];
  const int cout = l.shape.cout;
  Timed timed(profile, "conv1 statistics");
  std::memset(l.moments, 0, parts * rowClasses * sizeof(PictureSums));
  team_.run(parts, [&](int t, int thread) {
    for (int i = firstImage(t, n); i < firstImage(t + 1, n); i++)
      k_.pictureMoments(inputImage(0, i, pixels, thread, true), l.shape.width, l.moments + t * rowClasses);
  });
  sumPatches(l.moments, l.patchSum, l.patchProducts);
  const double values = (double)n * l.shape.out * l.shape.out;
  const float* w = l.tensor[roleWeight].slot[slotValue];
  for (int c = 0; c < cout; c++) {
    double sum = 0, square = 0;
    for (int k = 0; k < 27; k++) {
      double row = 0;
      for (int j = 0; j < 27; j++) row += l.patchProducts[k * 27 + j] * w[j * cout + c];
      sum += l.patchSum[k] * w[k * cout + c], square += row * w[k * cout + c];
    }
    const double mean = sum / values;
    setCoefficients(l, c, mean, std::max(0.0, square / values - mean * mean));
  }
  packForward(l, l.coefficient[2], bf16_);
  std::memcpy(l.packedBias, l.coefficient[3], cout * sizeof(float));
  // rounding the folded weights to bf16 moves the mean of what they give: shift by the mean of the rounded ones
  for (int c = 0; bf16_ && c < cout; c++) {
    double mean = 0;
    for (int k = 0; k < 27; k++) {
      uint16_t narrow;
      bf16_->narrow(l.packed + k * cout + c, 1, &narrow);
      const uint32_t bits = (uint32_t)narrow << 16;
      float rounded;
      std::memcpy(&rounded, &bits, sizeof rounded);
      mean += rounded * l.patchSum[k] / values;
    }
    l.packedBias[c] = (float)(l.tensor[roleBeta].slot[0][c] - mean);
  }
  packedForInference_ = false, packedValid_ = false;
}

// The weight gradient through batch normalization, from the one without it (D, in the weights' gradient) and the sum of what passes
// pooling and ReLU (in beta's): with z = W p, sum(g z) = W D and sum(p z) = G W.
void Program::closedGradient(Layer& l, int n) {
  const int cout = l.shape.cout;
  const double values = (double)n * l.shape.out * l.shape.out;
  const float* w = l.tensor[roleWeight].slot[slotValue];
  float *gradient = l.tensor[roleWeight].gradient, *dgamma = l.tensor[roleGamma].gradient;
  const float* dbeta = l.tensor[roleBeta].gradient;
  for (int c = 0; c < cout; c++) {
    const double mean = l.sums[c], inverse = 1 / std::sqrt(l.sums[cout + c] + l.spec.epsilon), scale = l.tensor[roleGamma].slot[0][c] * inverse;
    double product = 0;
    for (int k = 0; k < 27; k++) product += (double)w[k * cout + c] * gradient[k * cout + c];
    product = (product - mean * dbeta[c]) * inverse;
    dgamma[c] = (float)product;
    for (int k = 0; k < 27; k++) {
      double outputs = 0;
      for (int j = 0; j < 27; j++) outputs += l.patchProducts[k * 27 + j] * w[j * cout + c];
      const double normalized = (outputs - mean * l.patchSum[k]) * inverse;
      gradient[k * cout + c] = (float)(scale * (gradient[k * cout + c] - dbeta[c] / values * l.patchSum[k] - product / values * normalized));
    }
  }
}

// Batch statistics from the parts' sums, and the coefficients that normalize with them.
void Program::finishMoments(Layer& l, int n) {
  const int cout = l.shape.cout;
  const double values = (double)n * l.shape.out * l.shape.out;
  for (int c = 0; c < cout; c++) {
    double sum = 0, square = 0;
    for (int t = 0; t < parts; t++) sum += l.sums[2LL * t * cout + c], square += l.sums[(2LL * t + 1) * cout + c];
    const double mean = sum / values;
    setCoefficients(l, c, mean, std::max(0.0, square / values - mean * mean));
  }
}

void Program::updateRunning(Layer& l, int n) {
  const int cout = l.shape.cout;
  const double values = (double)n * l.shape.out * l.shape.out, momentum = l.spec.momentum;
  float *mean = l.tensor[roleMean].slot[0], *variance = l.tensor[roleVariance].slot[0];
  const float* bias = l.tensor[roleBias].slot[0];
  for (int c = 0; c < l.spec.filters; c++) {
    mean[c] = (float)((1 - momentum) * mean[c] + momentum * (l.sums[c] + bias[c]));
    variance[c] = (float)((1 - momentum) * variance[c] + momentum * l.sums[cout + c] * values / (values - 1));
  }
}

void Program::forwardConvs(const uint8_t* pixels, int n, bool training) {
  if (!training || !anyNorm_) {
    team_.run(parts, [&](int t, int thread) {
      for (int i = firstImage(t, n); i < firstImage(t + 1, n); i++)
        for (int l = 0; l < convs_; l++) convForward(l, i, pixels, t, thread, training);
    });
    return;
  }
  for (int index = 0; index < convs_; index++) {
    Layer& l = layers_[index];
    std::memset(l.sums, 0, 2LL * parts * l.shape.cout * sizeof(double));
    if (l.closed) closedMoments(pixels, n);
    team_.run(parts, [&](int t, int thread) {
      for (int i = firstImage(t, n); i < firstImage(t + 1, n); i++) convForward(index, i, pixels, t, thread, true);
    });
    if (l.spec.norm && !l.closed) finishMoments(l, n);
    if (!l.normalized) continue;
    Timed timed(profile, "normalize");
    team_.run(parts, [&](int t, int) {
      const int from = firstImage(t, n), to = firstImage(t + 1, n), perImage = l.shape.pooled * l.shape.pooled;
      k_.affine(l.output + from * l.outputFloats, (to - from) * perImage, l.shape.cout, l.coefficient[2], l.coefficient[3], l.spec.relu,
                l.normalized + from * l.outputFloats);
    });
  }
}

// Adds one picture's part to the sums of the gradient that normalization's backward pass needs.
void Program::normSums(Layer& l, int image, int part) {
  const int perImage = l.shape.pooled * l.shape.pooled, cout = l.shape.cout;
  float* sums = l.partialSums + 2LL * part * cout;
  k_.normSums(l.outputGradient + image * l.outputFloats, l.output + image * l.outputFloats, perImage, cout, l.coefficient, sums, sums + cout);
}

// The sums over the batch; they are gamma's and beta's gradients too.
void Program::finishSums(Layer& l, int n) {
  const int cout = l.shape.cout;
  const double values = (double)n * l.shape.out * l.shape.out;
  float *dgamma = l.tensor[roleGamma].gradient, *dbeta = l.tensor[roleBeta].gradient;
  for (int c = 0; c < cout; c++) {
    double sum = 0, product = 0;
    for (int t = 0; t < parts; t++) sum += l.partialSums[2LL * t * cout + c], product += l.partialSums[(2LL * t + 1) * cout + c];
    dbeta[c] = (float)sum, dgamma[c] = (float)product;
    l.coefficient[4][c] = (float)(sum / values), l.coefficient[5][c] = (float)(product / values);
  }
}

// The bias's gradient where there is no normalization: the sums of what passes pooling and ReLU.
void Program::gradSums(Layer& l, int image, int part, int thread) {
  const int64_t at = image * l.outputFloats;
  const float* dy = gradientOf(l, image, thread);
  float* sums = l.partialSums + 2LL * part * l.shape.cout;
  k_.normSums(dy, l.output + at, l.shape.pooled * l.shape.pooled, l.shape.cout, l.coefficient, sums, sums + l.shape.cout);
}

float* Program::gradientOf(Layer& l, int image, int thread) const { return l.outputGradient + (l.gradientPerThread ? thread : image) * l.outputFloats; }

// Backward pass through the full output: with batch normalization every value there has a gradient.
void Program::denseGrad(Layer& l, const float* x, int image, int part, int thread, float* dx) {
  const ConvShape& s = l.shape;
  // rows of the gradient that reach one row of the input, with room beside them for windows that begin outside
  const int k = s.kernel, depth = (k + s.stride - 1) / s.stride, pad = depth - 1;
  const int64_t pitch = (int64_t)s.width * s.cin, rowFloats = (int64_t)s.out * s.cout;
  const int64_t ringRow = (int64_t)(std::max(s.out, (s.width + s.stride - 1) / s.stride) + pad) * s.cout;
  float* ring = scratch_[thread].ring;
  std::memset(ring, 0, depth * ringRow * sizeof(float));
  if (dx && l.spec.depthwise) std::memset(dx, 0, s.width * pitch * sizeof(float));
  const float* dy = gradientOf(l, image, thread);
  const float* xp = l.output + image * l.outputFloats;
  const uint8_t* code = l.code + image * l.outputFloats;
  const float* rows[maxKernel];
  float* dw = l.partial + part * l.partialFloats;
  for (int y = 0; y < s.width; y++) {
    const int at = y / s.stride;
    if (y % s.stride == 0 && at < s.out) {
      float* dz = ring + (at % depth) * ringRow + pad * s.cout;
      for (int r = 0; r < k; r++) rows[r] = x + (y + r) * pitch;
      const float* z = zeros_;
      if (l.keepsOutput) z = l.full + image * l.fullFloats + at * rowFloats;
      else if (l.spec.norm) {
        convRow(l, rows, nullptr, scratch_[thread].rows);
        z = scratch_[thread].rows;
      }
      if (l.halving) k_.normGradRow(z, dy, code, xp, at, s, l.coefficient, dz);
      else k_.windowGradRow(z, dy, code, xp, at, s, l.coefficient, dz);
      if (l.spec.depthwise) depthwiseGrad(l, rows, dz, y, dw, dx);
      else k_.denseWeightsRow(rows, k, k * s.cin, s.stride * s.cin, s.cout, dz, s.out, dw);
    }
    if (dx && !l.spec.depthwise) inputRow(l, ring, ringRow, y, dx + y * pitch);
  }
}

// The same with products in bf16.
void Program::denseGradBf16(Layer& l, const float* x, int image, int part, int thread, float* dx) {
  const ConvShape& s = l.shape;
  const int k = s.kernel, pad = k - 1;
  const int64_t pitch = (int64_t)s.width * s.cin, rowFloats = (int64_t)s.out * s.cout, ringRow = (int64_t)(s.out + 2 * pad) * s.cout;
  ThreadScratch& t = scratch_[thread];
  std::memset(t.ring16, 0, k * ringRow * sizeof(uint16_t));
  bf16_->pairUp(x, s.width * pitch, s.cin, t.imagePairs);
  const bool recompute = l.spec.norm && !l.keepsOutput;
  if (recompute) bf16_->narrow(x, s.width * pitch, t.image16);
  const float* dy = gradientOf(l, image, thread);
  const float* xp = l.output + image * l.outputFloats;
  const uint8_t* code = l.code + image * l.outputFloats;
  const uint16_t *rows[maxKernel], *gradRows[maxKernel], *zeros = reinterpret_cast<const uint16_t*>(zeros_);
  const uint32_t* pairRows[maxKernel];
  float* dw = l.partial + part * l.partialFloats;
  for (int y = 0; y < s.width; y++) {
    if (y < s.out) {
      for (int r = 0; r < k; r++) rows[r] = t.image16 + (y + r) * pitch, pairRows[r] = t.imagePairs + (y + r) * pitch;
      if (recompute) bf16_->convRow(rows, k, s.cin, s.cout, l.packedPairs, nullptr, t.rows, s.out);
      const float* z = l.full16 ? nullptr : recompute ? t.rows : zeros_;
      const uint16_t* z16 = l.full16 ? l.full16 + image * l.fullFloats + y * rowFloats : nullptr;
      uint16_t* narrow = dx ? t.ring16 + (y % k) * ringRow + pad * s.cout : nullptr;
      bf16_->normGradRow(z, z16, dy, code, xp, y, s, l.coefficient, narrow, t.gradPairs);
      bf16_->weightsRow(pairRows, k, s.cin, s.cout, t.gradPairs, s.out, dw);
    }
    if (!dx) continue;
    for (int r = 0; r < k; r++) {
      const int from = y - pad + r;
      gradRows[r] = from < 0 || from >= s.out ? zeros : t.ring16 + (from % k) * ringRow;
    }
    bf16_->convRow(gradRows, k, s.cout, s.cin, l.turnedPairs, nullptr, dx + y * pitch, s.width);
  }
}

void Program::convBackward(int index, int image, const uint8_t* pixels, int part, int thread) {
  Layer& l = layers_[index];
  if (l.spec.average) return averageBackward(index, image, thread);
  const ConvShape& s = l.shape;
  const std::string name = "conv" + std::to_string(index + 1);
  const float* x = inputImage(index, image, pixels, thread, true);
  const bool pad = l.spec.padBefore + l.spec.padAfter > 0;
  float *dx = nullptr, *target = nullptr;
  if (index > 0) {
    target = gradientOf(layers_[index - 1], image, thread);
    dx = pad ? scratch_[thread].grad : target;
  }
  if (l.picture) {
    Timed timed(profile, name + " backward weights", thread == 0);
    const int64_t at = image * l.outputFloats;
    const float* dy = gradientOf(l, image, thread);
    k_.sparsePicture(s, x, dy, l.code + at, l.partial + part * l.partialFloats, l.partialBias + part * s.cout, scratch_[thread].ring);
  } else if (l.sparse) {
    const float* dy = gradientOf(l, image, thread);
    const uint8_t* code = l.code + image * l.outputFloats;
    {
      Timed timed(profile, name + " backward weights", thread == 0);
      k_.sparseWeights(s, x, dy, code, l.partial + part * l.partialFloats, l.partialBias + part * s.cout, scratch_[thread].lists);
    }
    if (dx) {
      Timed timed(profile, name + " backward input", thread == 0);
      std::memset(dx, 0, (int64_t)s.width * s.width * s.cin * sizeof(float));
      k_.sparseInput(s, dy, code, l.turned, dx);
    }
  } else {
    Timed timed(profile, name + " backward (dense)", thread == 0);
    if (!l.spec.norm) gradSums(l, image, part, thread);
    if (bf16_) denseGradBf16(l, x, image, part, thread, dx);
    else denseGrad(l, x, image, part, thread, dx);
  }
  if (!dx || !pad) return;
  const int size = l.spec.inputSize;
  for (int y = 0; y < size; y++)
    std::memcpy(target + (int64_t)y * size * s.cin, dx + ((int64_t)(y + l.spec.padBefore) * s.width + l.spec.padBefore) * s.cin,
                (int64_t)size * s.cin * sizeof(float));
}

void Program::backwardConvs(const uint8_t* pixels, int n) {
  for (int index = 0; index < convs_; index++) {
    Layer& l = layers_[index];
    std::memset(l.partial, 0, parts * l.partialFloats * sizeof(float));
    std::memset(l.partialBias, 0, (int64_t)parts * l.shape.cout * sizeof(float));
    std::memset(l.partialSums, 0, 2LL * parts * l.shape.cout * sizeof(float));
    if (l.spec.norm || l.sparse || l.picture) continue;
    for (int c = 0; c < l.shape.cout; c++) {
      for (int i : {0, 1, 3, 4, 5}) l.coefficient[i][c] = 0;
      l.coefficient[2][c] = 1, l.coefficient[6][c] = l.spec.relu ? 0.0f : -INFINITY;
    }
  }
  if (!anyNorm_) {
    team_.run(parts, [&](int t, int thread) {
      for (int i = firstImage(t, n); i < firstImage(t + 1, n); i++)
        for (int l = convs_ - 1; l >= 0; l--) convBackward(l, i, pixels, t, thread);
    });
    return;
  }
  Layer& last = layers_[convs_ - 1];
  if (last.spec.norm && !last.closed) {
    Timed timed(profile, "normalize backward");
    team_.run(parts, [&](int t, int) {
      for (int i = firstImage(t, n); i < firstImage(t + 1, n); i++) normSums(last, i, t);
    });
  }
  for (int index = convs_ - 1; index >= 0; index--) {
    if (layers_[index].spec.norm && !layers_[index].closed) finishSums(layers_[index], n);
    Layer* before = index > 0 && layers_[index - 1].spec.norm && !layers_[index - 1].closed ? &layers_[index - 1] : nullptr;
    team_.run(parts, [&](int t, int thread) {
      for (int i = firstImage(t, n); i < firstImage(t + 1, n); i++) {
        convBackward(index, i, pixels, t, thread);
        // while the gradient is in cache
        if (before) normSums(*before, i, t);
      }
    });
  }
}

// Adds the parts' gradients in order and makes the optimizer's step. Returns the sum of squares of the weights' gradient.
double Program::updateConv(Layer& l, int n, float rate) {
  if (l.spec.average) return 0;
  const ConvShape& s = l.shape;
  const AdamStep a = adam(rate);
  Tensor& w = l.tensor[roleWeight];
  const int run = s.kernel * l.weightChannels, pitch = paddedRun(s.kernel, s.cin);
  for (int r = 0; r < s.kernel; r++)
    for (int j = 0; j < run; j++)
      for (int c = 0; c < s.cout; c++) {
        const int64_t at = ((int64_t)r * run + j) * s.cout + c;
        const int64_t from = l.sparse ? ((int64_t)c * s.kernel + r) * pitch + j : at;
        float sum = 0;
        for (int t = 0; t < parts; t++) sum += l.partial[t * l.partialFloats + from];
        w.gradient[at] = sum;
      }
  // a bias before batch normalization has no effect on the loss: its gradient is exactly zero; its sums are beta's
  float* sums = l.closed ? l.tensor[roleBeta].gradient : l.tensor[roleBias].gradient;
  if (l.spec.norm) std::fill_n(l.tensor[roleBias].gradient, s.cout, 0.0f);
  for (int c = 0; c < s.cout && (l.closed || !l.spec.norm); c++) {
    double sum = 0;
    for (int t = 0; t < parts; t++) sum += l.sparse || l.picture ? l.partialBias[t * s.cout + c] : l.partialSums[2LL * t * s.cout + c];
    sums[c] = (float)sum;
  }
  if (l.closed) closedGradient(l, n);
  double squares = 0;
  for (int64_t i = 0; i < w.size; i++) squares += (double)w.gradient[i] * w.gradient[i];
  for (int role = roleWeight; role <= (l.spec.norm ? roleBeta : roleBias); role++) {
    Tensor& t = l.tensor[role];
    k_.optimize(t.slot[0], t.slot[1], t.slot[spec_.sgd ? 1 : 2], t.gradient, t.size, a);
  }
  return squares;
}
