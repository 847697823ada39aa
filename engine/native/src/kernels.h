// The kernels' table: one per instruction set, chosen once when the addon is loaded. All buffers are float, NHWC, with
// channels padded to a multiple of 16; all may be read up to 64 bytes past their end.
#pragma once
#include <cstdint>

struct AdamStep {
  float rate;      // learning rate / (1 - beta1^t); for SGD the learning rate
  float beta1;     // for SGD the momentum
  float beta2;
  float rootScale; // 1 / sqrt(1 - beta2^t)
  float epsilon;
  float weightDecay;
  bool sgd;
  bool firstStep; // SGD's momentum buffer starts as the gradient
};

// Geometry of one convolution with its max pooling, on padded sizes.
struct ConvShape {
  int width;    // of the padded input, in pixels; also its height
  int cin;      // input channels as stored (3 for pictures, else a multiple of 16)
  int cout;     // multiple of 16
  int kernel;
  int out;      // width and height of the convolution's output
  int pooled;   // width and height after pooling
  int stride;   // of the convolution
  int window, windowStride, windowPad; // of the pooling; a window of 1 is none
};

// The longest side of a convolution's window, and of a max pooling's, whose places are bytes.
constexpr int maxKernel = 32, maxWindow = 15;

// Sums of products of a picture's values for rows of one class: [0] all but the outer two rows on each side, [1] and [2] the
// first two, [3] and [4] the last two. See picture.inc.
struct PictureSums {
  double sum[16];             // [3 * shift + channel]: of values, over the window's positions
  double inside[3][3][16];    // [row distance][channel][3 * (column distance + 2) + channel]: over the common interior
  double border[3][3][3][16]; // [row distance][shift][channel][3 * other shift + channel]: over the columns beyond it
};
constexpr int rowClasses = 5;

struct Kernels {
  const char* name;
  // out[x * outPitch + c] = bias[c] + sum over r < kernel, j < run of rows[r][x * step + j] * w[block][r][j][c in block]; see packBlock
  void (*convRow)(const float* const* rows, int kernel, int run, int step, int cout, const float* w, const float* bias, float* out, int outPitch, int width);
  // 2 x 2 max of two rows, then ReLU; code 0..3 is the place of the first maximum, 4 means no gradient passes
  void (*poolRow)(const float* top, const float* bottom, int pooled, int channels, int relu, float* y, uint8_t* code);
  // The same for batch normalization, before it: the value whose normalized form is largest, by the sign of gamma
  void (*extremeRow)(const float* top, const float* bottom, int pooled, int channels, const float* sign, float* x, uint8_t* code);
  // Adds a row's sum and sum of squares per channel
  void (*momentsRow)(const float* row, int width, int channels, double* sum, double* square);
  // y = max(0, x * scale + shift) per channel (floor 0 or -inf)
  void (*affine)(const float* x, int pixels, int channels, const float* scale, const float* shift, int relu, float* y);
  // x = pixel * scale[c] + shift[c]
  void (*normalize)(const uint8_t* pixels, int n, int channels, const float* scale, const float* shift, float* x);
  // Weight gradient through pooling: dw[cout][kernel][padded run] and db[cout] += one image's share
  void (*sparseWeights)(const ConvShape& s, const float* x, const float* dy, const uint8_t* code, float* dw, float* db, void* scratch);
  // Input gradient through pooling, 3 x 3 kernels: dx (zeroed before) += ; w is [cout][9][cin]
  void (*sparseInput)(const ConvShape& s, const float* dy, const uint8_t* code, const float* w, float* dx);
  // dw[kernel][run][cout] += rows (x) dz over one output row, whose windows lie `step` values apart
  void (*denseWeightsRow)(const float* const* rows, int kernel, int run, int step, int cout, const float* dz, int width, float* dw);
  // One row of the gradient at a convolution's output, batch normalization included; see normBackward.inc
  void (*normGradRow)(const float* z, const float* dy, const uint8_t* code, const float* xp, int y, const ConvShape& s,
                      const float* const* coefficients, float* dz);
  // Other windows, and channels by themselves; see windows.inc
  void (*poolWindow)(const float* const* rows, const ConvShape& s, int relu, const float* sign, float* y, uint8_t* code);
  void (*windowGradRow)(const float* z, const float* dy, const uint8_t* code, const float* xp, int y, const ConvShape& s,
                        const float* const* coefficients, float* dz);
  void (*averageRow)(const float* x, int row, const ConvShape& s, float* y);
  void (*averageGradRow)(const float* dy, int row, const ConvShape& s, float* dx);
  void (*depthwiseRow)(const float* const* rows, int kernel, int step, int channels, const float* w, const float* bias, float* out, int width);
  void (*depthwiseWeightsRow)(const float* const* rows, int kernel, int step, int channels, const float* dz, int width, float* dw);
  void (*depthwiseInputRow)(float* const* rows, int kernel, int step, int channels, const float* w, const float* dz, int width);
  // Sums of dy and of dy * xhat over one image's pooled values that pass the ReLU
  void (*normSums)(const float* dy, const float* xp, int pixels, int channels, const float* const* coefficients, float* sums, float* products);
  // y[n][units] += x[n][k0..k1) * w[k][units]
  void (*denseForward)(const float* x, int64_t pitch, int n, int64_t k0, int64_t k1, const float* w, int units, float* y);
  // For rows k0..k1: dx = dy * w^T (null: not wanted), then the optimizer's step on w with dw = x^T * dy. Returns sum of squares of dw.
  double (*denseBackward)(const float* x, int64_t pitch, int n, int64_t k0, int64_t k1, float* w, float* m, float* v,
                          const float* dy, const float* dyT, int units, float* dx, const AdamStep& step, float* scratch);
  // The first convolution of pictures; see picture.inc
  void (*sparsePicture)(const ConvShape& s, const float* x, const float* dy, const uint8_t* code, float* dw, float* db, float* scratch);
  void (*pictureMoments)(const float* x, int width, PictureSums* sums);
  // The optimizer's step on any tensor
  void (*optimize)(float* w, float* m, float* v, const float* g, int64_t n, const AdamStep& step);
  // Multiply-adds on registers alone; returns how many floating-point operations that were
  double (*peak)(int64_t rounds);
};

extern const Kernels kernelsBase;
extern const Kernels kernelsAvx2;
extern const Kernels kernelsAvx512;

// How many of a window's places along one side an input pixel at that place of a stride is under
inline int tapsAt(const ConvShape& s, int place) { return place < s.kernel ? (s.kernel - place + s.stride - 1) / s.stride : 0; }
// Output channels are packed in blocks: 32 wide when they divide, else 16.
inline int packBlock(int cout) { return cout % 32 == 0 ? 32 : 16; }
// Floats of one channel's row of weight gradients in sparseWeights
inline int paddedRun(int kernel, int cin) { return (kernel * cin + 15) / 16 * 16; }
