// A network in memory with its optimizer: whole training steps and inferences, without a tensor framework in between.
//
// All memory is one mapping made at construction (huge pages where the kernel gives them): a step allocates nothing.
// Deterministic, for any number of threads: the work is cut into parts that depend on the batch alone, each with sums of
// its own, which are added in order.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>
#include "kernels.h"
#include "kernels_bf16.h"
#include "threads.h"

struct BlockSpec {
  bool conv, average;      // an average pooling is a layer of its own, without weights, among the convolutions
  // conv
  bool depthwise;
  int inputSize, inputChannels, filters, kernel, stride, padBefore, padAfter, convSize, window, windowStride, windowPad, outputSize;
  bool norm, relu;
  float epsilon, momentum;
  // dense
  int inputs, units;
  float dropout;
  int flatSize, flatChannels; // 0 after a dense layer
};

struct ProgramSpec {
  int size, channels, classes, batch, threads;
  bool bf16;
  bool sgd;
  bool sparsemax; // the loss; else cross-entropy
  float beta1, beta2, adamEpsilon, weightDecay;
  std::vector<float> scale, shift; // of a pixel, per channel
  std::vector<BlockSpec> blocks;
};

// How many parts the pictures of a batch and the rows of dense weights are cut into.
constexpr int parts = 16;

enum Role { roleWeight, roleBias, roleGamma, roleBeta, roleMean, roleVariance, roles };
enum Slot { slotValue, slotMoment1, slotMoment2, slots };

// One tensor in the layout of the kernels, with the optimizer's moments.
struct Tensor {
  int64_t size = 0;
  float* slot[slots] = {};
  float* gradient = nullptr; // none for the dense weights, whose gradient is never stored
};

struct Layer {
  BlockSpec spec;
  Tensor tensor[roles];
  // conv
  ConvShape shape;
  int weightChannels;                     // input channels of one filter, as stored
  bool halving;                           // stride 1 and 2 x 2 max pooling, for which there are faster kernels
  bool sparse, keepsOutput;
  bool picture;                           // the first convolution of colour pictures; see picture.inc
  bool closed;                            // ... whose batch normalization is done in closed form
  PictureSums* moments;                   // [part][rowClasses]
  double *patchSum, *patchProducts;       // [27], [27][27]
  float *packed, *packedBias, *turned;   // forward weights; weights of the input gradient
  uint32_t *packedPairs, *turnedPairs;   // the same in bf16
  float *output;                          // [n] pooled values; before batch normalization if there is one
  float *full;                            // [n] convolution outputs, for batch normalization
  uint16_t *full16;                       // the same in bf16
  uint8_t* code;
  float *normalized;                      // [n] the last convolution's normalized values, when there is normalization
  float* outputGradient;                  // [n] or [thread]
  int64_t outputFloats, fullFloats;
  bool gradientPerThread;                 // the gradient lives for one picture only, in the thread's scratch
  float *coefficient[7], *sign;
  double *sums;                           // [part][2][channels]
  float *partial;                         // [part] weight gradient
  float *partialBias, *partialSums;       // [part][channels], [part][2][channels]
  int64_t partialFloats;
  // dense
  int64_t pitchIn;
  int unitsPadded;
  float *activation, *activationGradient, *gradientT, *partialOut;
  uint32_t *weightPairs, *gradientPairs, *gradientTPairs; // bf16: [inputs / 2][units], [n / 2][units], [units / 2][n]
};

struct StepResult {
  double loss;
  int correct;
  std::vector<double> norms;
};

class Program {
 public:
  // Lays the memory out, without making it.
  Program(const ProgramSpec& spec, const Kernels& kernels);
  size_t bytes() const { return mapped_; }
  // Throws std::bad_alloc when the memory cannot be had.
  void allocate();
  ~Program();

  StepResult step(const uint8_t* pixels, const int32_t* labels, int n, float learningRate, const std::vector<const uint8_t*>& masks);
  // `alive`, by block: null, or a byte a channel or unit that is set where a picture left it above 0
  void predict(const uint8_t* pixels, int n, float* logits, const std::vector<uint8_t*>& alive);
  // PyTorch's layouts; see engine/Program.ts
  void read(int block, Role role, Slot slot, float* data);
  void write(int block, Role role, Slot slot, const float* data);

  int64_t steps = 0;
  // Phase name -> seconds spent by the first thread, over all calls so far
  std::map<std::string, double> profile;

 private:
  void layout(class Arena& arena);
  void prepareWeights(bool inference);
  const float* inputImage(int layer, int image, const uint8_t* pixels, int thread, bool training);
  void convForward(int layer, int image, const uint8_t* pixels, int part, int thread, bool training);
  void convBackward(int layer, int image, const uint8_t* pixels, int part, int thread);
  void convRow(const Layer& l, const float* const* rows, const float* bias, float* out) const;
  void inputRow(const Layer& l, const float* ring, int64_t ringRow, int y, float* dx) const;
  void depthwiseGrad(Layer& l, const float* const* rows, const float* dz, int y, float* dw, float* dx) const;
  void averageBackward(int layer, int image, int thread);
  void poolRows(Layer& l, int image, int y, bool norm, int thread);
  float* gradientOf(Layer& l, int image, int thread) const;
  void denseGrad(Layer& l, const float* x, int image, int part, int thread, float* dx);
  void denseGradBf16(Layer& l, const float* x, int image, int part, int thread, float* dx);
  void gradSums(Layer& l, int image, int part, int thread);
  void prepareDensePairs();
  void finishMoments(Layer& l, int n);
  void closedMoments(const uint8_t* pixels, int n);
  void closedGradient(Layer& l, int n);
  void updateRunning(Layer& l, int n);
  void normSums(Layer& l, int image, int part);
  void finishSums(Layer& l, int n);
  void forwardConvs(const uint8_t* pixels, int n, bool training);
  void backwardConvs(const uint8_t* pixels, int n);
  void denseForward(int layer, int n, const uint8_t* mask);
  double denseBackward(int layer, int n, const uint8_t* mask, float rate);
  double updateConv(Layer& l, int n, float rate);
  double loss(const int32_t* labels, int n, int* correct);
  void markAlive(const Layer& l, int n, uint8_t* alive);
  const float* denseInput(int layer) const;
  struct AdamStep adam(float rate) const;
  static int firstImage(int part, int n) { return n * part / parts; }

  ProgramSpec spec_;
  const Kernels& k_;
  const KernelsBf16* bf16_; // null in fp32
  Team team_;
  std::vector<Layer> layers_;
  int convs_ = 0;
  bool anyNorm_ = false;
  bool packedForInference_ = false, packedValid_ = false, pairsValid_ = false;
  void* memory_ = nullptr;
  size_t mapped_ = 0;
  struct ThreadScratch {
    float *image, *rows, *ring, *grad, *dense;
    void* lists;
    uint16_t *image16, *ring16;
    uint32_t *imagePairs, *gradPairs;
  };
  std::vector<ThreadScratch> scratch_;
  float* zeros_ = nullptr;
};
