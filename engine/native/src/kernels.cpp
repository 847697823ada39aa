// All kernels for one instruction set. Compiled several times, each with its own flags and -DTABLE=<name of the table>.
#include "simd.h"
#include "kernels.h"

namespace {
#include "conv.inc"
#include "pool.inc"
#include "sparse.inc"
#include "fetch.inc"
#include "norm.inc"
#include "windows.inc"
#include "picture.inc"
#include "dense.inc"
#include "peak.inc"
} // namespace

#define STRING_(x) #x
#define STRING(x) STRING_(x)

extern const Kernels TABLE = {STRING(TABLE_NAME), convRow,         poolRow,     extremeRow, momentsRow,   affine,        normalize, sparseWeights,
                              sparseInput,        denseWeightsRow, normGradRow, poolWindow, windowGradRow, averageRow, averageGradRow, depthwiseRow, depthwiseWeightsRow, depthwiseInputRow, normSums,   denseForward, denseBackward, sparsePicture, pictureMoments, optimize, peak};
