// Alignment of thumbnails, as stages/lib/dataset/Alignment.ts does it, to the same last bit, on a thread of libuv's pool.
// See there for what is computed and why; a test holds the two against each other.
//
// Doubles are added and multiplied in the same order as there and never fused (-ffp-contract=off). The sums of the normal
// equations lie side by side in vectors, so each of them is added up in the order of the pixels, as there.
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>
#include "clones.h"
#include "napi_util.h"

namespace {
constexpr int side = 48, size = side * side, margin = 3, last = side - 1;
constexpr int coarseStride = 4, fineStride = 2;
constexpr double half = (side - 1) / 2.0;
constexpr int unknowns = 7;
constexpr double bendPenalty = 20;
constexpr double mostMove = 0.3, leastScale = 0.7408182206817179, mostScale = 1.3498588075760032, leastGain = 0.4, mostGain = 2.5;
constexpr double hopeful[] = {0, 0.7, 0.8}, leastGrey = 0.86;
constexpr int hopefulSteps = 3, mostSteps = 15;
constexpr double converged = 1e-3;
constexpr int blockSide = 8, blocks = side / blockSide;

typedef double Row __attribute__((vector_size(64)));

struct Warp {
  double scaleX = 1, scaleY = 1, shiftX = 0, shiftY = 0, gain = 1, bend = 0, offset = 0;
};

double coordinate(int i) { return i / half - 1; }

// A place between two pixels of a line.
struct Place {
  int at, first;
  double t, x;
};

// The places of a line's pixels under the warp, as far as they lie in the other picture.
int placesOf(double scale, double shift, int stride, Place* out) {
  int count = 0;
  for (int i = margin; i < side - margin; i += stride) {
    const double x = coordinate(i), f = (scale * x + shift + 1) * half;
    if (!(f >= margin && f <= last - margin)) continue;
    const int first = (int)std::floor(f);
    out[count++] = {i, first, f - first, x};
  }
  return count;
}

struct Normal {
  Row m[unknowns];
  Row v;
  double count, sum, sumSquares, left;
};

CLONES void normalEquations(const uint8_t* a, const uint8_t* b, const uint16_t* table, const Warp* warp, int stride, Normal* into) {
  Place across[side], down[side];
  const int width = placesOf(warp->scaleX, warp->shiftX, stride, across), height = placesOf(warp->scaleY, warp->shiftY, stride, down);
  Row m0{}, m1{}, m2{}, m3{}, m4{}, m5{}, m6{}, v{};
  double count = 0, sum = 0, sumSquares = 0, left = 0;
  for (int row = 0; row < height; row++) {
    const double ty = down[row].t, y = down[row].x;
    const uint8_t* line = a + down[row].first * side;
    const uint16_t* places = table + down[row].at * side;
    for (int column = 0; column < width; column++) {
      const double tx = across[column].t, x = across[column].x;
      const uint8_t* k = line + across[column].first;
      const double above = k[1] - k[0], below = k[side + 1] - k[side];
      const double top = k[0] + tx * above, bottom = k[side] + tx * below;
      const double value = top + ty * (bottom - top);
      const double other = b[places[across[column].at]];
      const double slopeX = (above + ty * (below - above)) * half, slopeY = (bottom - top) * half;
      const double difference = warp->offset + other * (warp->gain + (warp->bend * other) / 255) - value;
      count += 1, sum += value, sumSquares += value * value, left += difference * difference;
      const Row r = {slopeX * x, slopeX, slopeY * y, slopeY, -other, -1, -(other * other) / 255, 0};
      m0 += r[0] * r, m1 += r[1] * r, m2 += r[2] * r, m3 += r[3] * r, m4 += r[4] * r, m5 -= r, m6 += r[6] * r;
      v += difference * r;
    }
  }
  *into = {{m0, m1, m2, m3, m4, m5, m6}, v, count, sum, sumSquares, left};
}

// Solves the symmetric system in place by Gaussian elimination with pivots; false when it is singular.
bool solve(double (*m)[unknowns], double* v) {
  for (int c = 0; c < unknowns; c++) {
    int pivot = c;
    for (int r = c + 1; r < unknowns; r++)
      if (std::fabs(m[r][c]) > std::fabs(m[pivot][c])) pivot = r;
    if (std::fabs(m[pivot][c]) < 1e-9) return false;
    for (int k = 0; k < unknowns; k++) std::swap(m[c][k], m[pivot][k]);
    std::swap(v[c], v[pivot]);
    for (int r = 0; r < unknowns; r++) {
      if (r == c) continue;
      const double f = m[r][c] / m[c][c];
      for (int k = c; k < unknowns; k++) m[r][k] -= f * m[c][k];
      v[r] -= f * v[c];
    }
  }
  for (int i = 0; i < unknowns; i++) v[i] /= m[i][i];
  return true;
}

// One Gauss-Newton step; false when the pictures leave the warp open.
bool step(const uint8_t* a, const uint8_t* b, const uint16_t* table, Warp& warp, int stride, double& moved, double& correlation) {
  Normal n;
  normalEquations(a, b, table, &warp, stride, &n);
  double m[unknowns][unknowns], v[unknowns];
  for (int r = 0; r < unknowns; r++) v[r] = n.v[r];
  for (int r = 0; r < unknowns; r++)
    for (int c = r; c < unknowns; c++) m[r][c] = m[c][r] = n.m[r][c];
  m[unknowns - 1][unknowns - 1] += n.count * bendPenalty;
  v[unknowns - 1] -= n.count * bendPenalty * warp.bend;
  if (!solve(m, v)) return false;
  warp.scaleX += v[0], warp.shiftX += v[1], warp.scaleY += v[2], warp.shiftY += v[3];
  warp.gain += v[4], warp.offset += v[5], warp.bend += v[6];
  const double variance = n.sumSquares - (n.sum * n.sum) / std::fmax(1, n.count);
  moved = std::fmax(std::fmax(std::fabs(v[0]), std::fabs(v[1])), std::fmax(std::fabs(v[2]), std::fabs(v[3])));
  correlation = variance < n.count ? 0 : std::sqrt(std::fmax(0, 1 - n.left / variance));
  return true;
}

bool mild(const Warp& w) {
  const double white = w.gain + w.bend;
  return w.scaleX > leastScale && w.scaleX < mostScale && w.scaleY > leastScale && w.scaleY < mostScale && std::fabs(w.shiftX) < mostMove &&
         std::fabs(w.shiftY) < mostMove && white > leastGain && white < mostGain;
}

bool align(const uint8_t* a, const uint8_t* b, const uint16_t* table, Warp& warp) {
  for (int i = 0; i < mostSteps; i++) {
    double moved, correlation;
    if (!step(a, b, table, warp, i < hopefulSteps ? coarseStride : fineStride, moved, correlation) || !mild(warp)) return false;
    if (correlation < (i < hopefulSteps ? hopeful[i] : leastGrey)) return false;
    if (moved < converged && i >= hopefulSteps) break;
  }
  return true;
}

// Both pictures in colour, the first laid over the second: levels, RGB, pixel after pixel.
struct Overlaid {
  int count = 0;
  uint16_t pixel[size];
  float first[size * 3], second[size * 3];
};

CLONES void overlay(const uint8_t* a, const uint8_t* b, const uint16_t* table, const Warp* warp, Overlaid* out) {
  Place across[side], down[side];
  const int width = placesOf(warp->scaleX, warp->shiftX, 1, across), height = placesOf(warp->scaleY, warp->shiftY, 1, down);
  int count = 0;
  for (int row = 0; row < height; row++)
    for (int column = 0; column < width; column++, count++) {
      const int i = down[row].at * side + across[column].at;
      const double tx = across[column].t, ty = down[row].t;
      const uint8_t* k = a + (down[row].first * side + across[column].first) * 3;
      for (int channel = 0; channel < 3; channel++, k++) {
        const double top = k[0] + tx * (k[3] - k[0]), bottom = k[side * 3] + tx * (k[side * 3 + 3] - k[side * 3]);
        out->first[count * 3 + channel] = (float)(top + ty * (bottom - top));
        out->second[count * 3 + channel] = b[table[i] * 3 + channel];
      }
      out->pixel[count] = (uint16_t)i;
    }
  out->count = count;
}

double meanOf(const float* values, int length) {
  double sum = 0;
  for (int i = 0; i < length; i++) sum += values[i];
  return sum / std::max(1, length);
}

// See Alignment.ts: a brightened copy is clipped at white.
void differences(const float* brighter, const float* darker, int length, float* left) {
  double gain = 1, offset = 0;
  for (int round = 0; round < 6; round++) {
    double n = 0, sx = 0, sxx = 0, sy = 0, sxy = 0;
    for (int i = 0; i < length; i++) {
      const double x = darker[i], y = brighter[i];
      if (gain * x + offset >= 255 && y > 250) continue;
      n += 1, sx += x, sxx += x * x, sy += y, sxy += x * y;
    }
    const double spread = n * sxx - sx * sx;
    if (n < size / 20.0 || spread < 1e-3) break;
    const double before = gain, offsetBefore = offset;
    gain = std::fmin(2, std::fmax(0.7, (n * sxy - sx * sy) / spread));
    offset = (sy - gain * sx) / n;
    if (gain == before && offset == offsetBefore) break;
  }
  for (int i = 0; i < length; i++) left[i] = (float)(std::fmin(255, gain * darker[i] + offset) - brighter[i]);
}

// Correlation, worst block, overlap.
void residual(const Overlaid& o, double* out) {
  const int length = o.count * 3;
  const double mean = meanOf(o.first, length);
  std::vector<float> left(length);
  const bool firstIsBrighter = mean >= meanOf(o.second, length);
  differences(firstIsBrighter ? o.first : o.second, firstIsBrighter ? o.second : o.first, length, left.data());
  double squares[blocks * blocks] = {}, counts[blocks * blocks] = {}, variance = 0, total = 0;
  for (int i = 0; i < length; i++) {
    const int pixel = o.pixel[i / 3], block = pixel / side / blockSide * blocks + pixel % side / blockSide;
    const double square = (double)left[i] * left[i], deviation = o.first[i] - mean;
    squares[block] += square, counts[block] += 1, total += square, variance += deviation * deviation;
  }
  out[2] = (double)o.count / size;
  if (variance < length) {
    out[0] = 0, out[1] = std::numeric_limits<double>::infinity();
    return;
  }
  double worst = 0;
  for (int k = 0; k < blocks * blocks; k++)
    if (counts[k] >= 3 * blockSide * blockSide / 4) worst = std::fmax(worst, squares[k] / counts[k]);
  out[0] = std::sqrt(std::fmax(0, 1 - total / variance)), out[1] = std::sqrt(worst * length / variance);
}

void greyOf(const uint8_t* rgb, uint8_t* grey) {
  for (int i = 0; i < size; i++) grey[i] = (uint8_t)std::floor(0.299 * rgb[i * 3] + 0.587 * rgb[i * 3 + 1] + 0.114 * rgb[i * 3 + 2] + 0.5);
}

// The eight flips and quarter turns; see Orientations.ts.
struct Orientations {
  uint16_t tables[8][size];
  Orientations() {
    for (int k = 0; k < 8; k++)
      for (int i = 0; i < size; i++) {
        int y = i / side, x = i % side;
        if (k & 4) std::swap(x, y);
        if (k & 1) x = last - x;
        if (k & 2) y = last - y;
        tables[k][i] = (uint16_t)(y * side + x);
      }
  }
};

struct Work {
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  std::vector<napi_ref> held;
  const uint8_t *orientations = nullptr, *firsts = nullptr, *seconds = nullptr;
  size_t count = 0;
  double* out = nullptr;

  static void execute(napi_env, void* p) {
    static const Orientations all;
    Work& w = *static_cast<Work*>(p);
    const auto overlaid = std::make_unique<Overlaid>();
    uint8_t first[size], second[size];
    for (size_t i = 0; i < w.count; i++) {
      const uint16_t* table = all.tables[w.orientations[i]];
      const uint8_t *a = w.firsts + i * size * 3, *b = w.seconds + i * size * 3;
      greyOf(a, first), greyOf(b, second);
      Warp warp;
      double* out = w.out + i * 3;
      if (!align(first, second, table, warp)) {
        out[0] = out[1] = out[2] = std::numeric_limits<double>::quiet_NaN();
        continue;
      }
      overlay(a, b, table, &warp, overlaid.get());
      residual(*overlaid, out);
    }
  }
  static void complete(napi_env env, napi_status, void* p) {
    std::unique_ptr<Work> w(static_cast<Work*>(p));
    napi_value out;
    napi_get_undefined(env, &out);
    for (napi_ref ref : w->held) napi_delete_reference(env, ref);
    napi_resolve_deferred(env, w->deferred, out);
    napi_delete_async_work(env, w->work);
  }
  template <class T>
  T* hold(napi_env env, napi_value v) {
    napi_ref ref;
    napi_create_reference(env, v, 1, &ref);
    held.push_back(ref);
    return typedArray<T>(env, v);
  }
};

// (orientations, first thumbnails one after another, second thumbnails, three numbers a pair to write to) -> promise
napi_value alignAll(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  auto work = std::make_unique<Work>();
  a.array<uint8_t>(0, &work->count);
  work->orientations = work->hold<uint8_t>(env, a[0]);
  work->firsts = work->hold<uint8_t>(env, a[1]);
  work->seconds = work->hold<uint8_t>(env, a[2]);
  work->out = work->hold<double>(env, a[3]);
  napi_value promise, label;
  napi_create_promise(env, &work->deferred, &promise);
  napi_create_string_utf8(env, "op_pipe_align", NAPI_AUTO_LENGTH, &label);
  napi_create_async_work(env, nullptr, label, Work::execute, Work::complete, work.get(), &work->work);
  napi_queue_async_work(env, work.release()->work);
  return promise;
}
} // namespace

NAPI_MODULE_INIT() {
  setFunction(env, exports, "align", alignAll);
  return exports;
}
