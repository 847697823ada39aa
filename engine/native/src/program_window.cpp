// What convolutions with strides, other pooling windows, average pooling and channels by themselves add to the passes of
// program_conv.cpp.
#include <algorithm>
#include "clock.h"
#include "program.h"

// The rows of pooling windows that end with row y of the convolution's output.
void Program::poolRows(Layer& l, int image, int y, bool norm, int thread) {
  const ConvShape& s = l.shape;
  const int64_t rowFloats = (int64_t)s.out * s.cout, pooledRow = (int64_t)s.pooled * s.cout;
  const float* rows[maxWindow];
  for (int p = std::max(0, (y + s.windowPad - s.window + 1) / s.windowStride); p < s.pooled; p++) {
    const int top = p * s.windowStride - s.windowPad, last = std::min(top + s.window, s.out) - 1;
    if (last > y) return;
    if (last < y) continue;
    for (int i = 0; i < s.window; i++) {
      const int row = top + i;
      if (row < 0 || row >= s.out) rows[i] = nullptr;
      else rows[i] = norm && l.full ? l.full + image * l.fullFloats + row * rowFloats : scratch_[thread].rows + row % s.window * rowFloats;
    }
    const int64_t at = image * l.outputFloats + p * pooledRow;
    k_.poolWindow(rows, s, l.spec.relu && !norm, norm ? l.sign : nullptr, l.output + at, l.code + at);
  }
}

// Row y of the gradient at a convolution's input, from the rows of its output's gradient in the ring. Each place of a pixel
// between windows that lie a stride apart is a convolution of its own, with the weights that reach it.
void Program::inputRow(const Layer& l, const float* ring, int64_t ringRow, int y, float* dx) const {
  const ConvShape& s = l.shape;
  const int depth = (s.kernel + s.stride - 1) / s.stride, rows = tapsAt(s, y % s.stride), first = y / s.stride - rows + 1;
  const float* weights = l.turned;
  for (int r = 0; r < y % s.stride; r++) weights += (int64_t)tapsAt(s, r) * s.kernel * s.cin * s.cout;
  for (int c = 0; c < s.stride && c < s.width; c++) {
    const int columns = tapsAt(s, c), width = (s.width - c + s.stride - 1) / s.stride;
    const float* from[maxKernel];
    for (int r = 0; r < rows; r++) {
      const int row = first + r;
      from[r] = row < 0 || row >= s.out ? zeros_ : ring + row % depth * ringRow + (int64_t)(depth - columns) * s.cout;
    }
    // pixels that no window reaches get zeros: no rows or no columns
    k_.convRow(from, columns > 0 ? rows : 0, columns * s.cout, s.cout, s.cin, weights, nullptr, dx + (int64_t)c * s.cin, s.stride * s.cin, width);
    weights += (int64_t)rows * columns * s.cin * s.cout;
  }
}

// One row of the output's gradient, whose windows begin in row y of the input.
void Program::depthwiseGrad(Layer& l, const float* const* rows, const float* dz, int y, float* dw, float* dx) const {
  const ConvShape& s = l.shape;
  k_.depthwiseWeightsRow(rows, s.kernel, s.stride * s.cin, s.cout, dz, s.out, dw);
  if (!dx) return;
  float* to[maxKernel];
  for (int r = 0; r < s.kernel; r++) to[r] = dx + (int64_t)(y + r) * s.width * s.cin;
  k_.depthwiseInputRow(to, s.kernel, s.stride * s.cin, s.cout, l.tensor[roleWeight].slot[slotValue], dz, s.out);
}

void Program::averageBackward(int index, int image, int thread) {
  Layer& l = layers_[index];
  const ConvShape& s = l.shape;
  const float* dy = gradientOf(l, image, thread);
  float* dx = gradientOf(layers_[index - 1], image, thread);
  std::fill_n(dx, layers_[index - 1].outputFloats, 0.0f);
  for (int p = 0; p < s.pooled; p++) k_.averageGradRow(dy + (int64_t)p * s.pooled * s.cout, p, s, dx);
}
