// Records of pictures: parts of an RGB square at another size, straight or turned, as stages/lib/Resample.ts makes them, byte for
// byte, on a thread of libuv's pool. See there for what is computed and why; a test holds the two against each other.
//
// Doubles are added and multiplied in the same order as there and never fused (-ffp-contract=off); all else is whole numbers.
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>
#include "clones.h"
#include "napi_util.h"

namespace {
constexpr int few = 4, unit = 1 << 14;

// One pixel's three values, and a fourth that is read along and never used.
typedef int Pixel __attribute__((vector_size(16)));
template <class T>
inline __attribute__((always_inline)) Pixel pixelAt(const T* p) {
  typedef T Four __attribute__((vector_size(4 * sizeof(T))));
  Four four;
  std::memcpy(&four, p, sizeof four);
  return __builtin_convertvector(four, Pixel);
}

// Order of a job's numbers; see Resampler.ts.
struct Job {
  bool turned;
  int left, top, width, height;
  double cos, sin;
  bool flip;
  int fill[3];
  double brightness, saturation;
};
constexpr int jobNumbers = 13;

Job decodeJob(const double* d) {
  return {d[0] != 0, (int)d[1], (int)d[2], (int)d[3], (int)d[4], d[5], d[6], d[7] != 0, {(int)d[8], (int)d[9], (int)d[10]}, d[11], d[12]};
}

struct Taps {
  std::vector<int> firsts, weights;
  int most;
};

Taps tapsOf(int span, int size) {
  const double scale = (double)span / size, reach = std::fmax(1, scale);
  Taps t;
  t.most = std::min(span, std::max(few, (int)std::ceil(2 * reach)));
  t.firsts.resize(size), t.weights.resize((size_t)size * t.most);
  std::vector<double> exact(t.most);
  for (int i = 0; i < size; i++) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(0, std::min(span - t.most, (int)std::floor(centre - reach + 0.5)));
    double sum = 0;
    for (int k = 0; k < t.most; k++) {
      exact[k] = std::fmax(0, 1 - std::fabs(first + k + 0.5 - centre) / reach);
      sum += exact[k];
    }
    int before = 0;
    double upTo = 0;
    for (int k = 0; k < t.most; k++) {
      upTo += exact[k] / sum;
      const int rounded = (int)std::floor(upTo * unit + 0.5);
      t.weights[(size_t)i * t.most + k] = rounded - before;
      before = rounded;
    }
    t.firsts[i] = first;
  }
  return t;
}

CLONES void downFew(const uint8_t* a, int line, const int* w, uint16_t* out, int row) {
  const uint8_t *b = a + line, *c = b + line, *d = c + line;
  const int w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
  for (int i = 0; i < row; i++) out[i] = (uint16_t)((a[i] * w0 + b[i] * w1 + c[i] * w2 + d[i] * w3 + 32) >> 6);
}

CLONES void downMany(const uint8_t* a, int line, const int* w, int most, uint16_t* out, int row, int* sums) {
  for (int i = 0; i < row; i++) sums[i] = 32;
  for (int k = 0; k < most; k++)
    for (int i = 0; i < row; i++) sums[i] += a[k * (size_t)line + i] * w[k];
  for (int i = 0; i < row; i++) out[i] = (uint16_t)(sums[i] >> 6);
}

// One row at its new width. `lines` may be read one value past its end.
CLONES void acrossFew(const uint16_t* lines, const Taps& taps, int size, bool flip, uint8_t* out) {
  for (int x = 0; x < size; x++) {
    const uint16_t* l = lines + taps.firsts[x] * 3;
    const int* w = &taps.weights[(size_t)x * few];
    const Pixel sum = pixelAt(l) * w[0] + pixelAt(l + 3) * w[1] + pixelAt(l + 6) * w[2] + pixelAt(l + 9) * w[3] + (1 << 21);
    uint8_t* o = out + (flip ? size - 1 - x : x) * 3;
    for (int k = 0; k < 3; k++) o[k] = (uint8_t)(sum[k] >> 22);
  }
}

void acrossMany(const uint16_t* lines, const Taps& taps, int size, bool flip, uint8_t* out) {
  for (int x = 0; x < size; x++) {
    const uint16_t* l = lines + taps.firsts[x] * 3;
    const int* w = &taps.weights[(size_t)x * taps.most];
    uint8_t* o = out + (flip ? size - 1 - x : x) * 3;
    for (int k = 0; k < 3; k++) {
      int sum = 1 << 21;
      for (int tap = 0; tap < taps.most; tap++) sum += l[k + tap * 3] * w[tap];
      o[k] = (uint8_t)(sum >> 22);
    }
  }
}

void straight(const uint8_t* rgb, int side, const Job& job, int size, uint8_t* out) {
  const Taps down = tapsOf(job.height, size), across = tapsOf(job.width, size);
  const int row = job.width * 3, line = side * 3;
  std::vector<uint16_t> lines((size_t)row + 1);
  std::vector<int> sums(row);
  for (int y = 0; y < size; y++) {
    const uint8_t* from = rgb + ((size_t)(job.top + down.firsts[y]) * side + job.left) * 3;
    const int* w = &down.weights[(size_t)y * down.most];
    if (down.most == few) downFew(from, line, w, lines.data(), row);
    else downMany(from, line, w, down.most, lines.data(), row, sums.data());
    (across.most == few ? acrossFew : acrossMany)(lines.data(), across, size, job.flip, out + (size_t)y * size * 3);
  }
}

// Rounding as JavaScript's: halves go up.
int nearest(double x) { return (int)std::floor(x + 0.5); }

// A row of `fine` places from (placeX, placeY) on, each added to the output pixel that it belongs to.
struct Walk {
  int placeX, placeY, dxx, dxy, n, size;
};

CLONES void walk(const uint8_t* rgb, int side, const int* fill, Walk at, Pixel* sums) {
  constexpr int one = 65536;
  const int last = side - 1, row = side * 3;
  const Pixel beyond = {fill[0], fill[1], fill[2], 0};
  const auto tapAt = [&](int x, int y) -> Pixel {
    if (x < 0 || y < 0 || x > last || y > last) return beyond;
    const uint8_t* p = rgb + (size_t)y * row + x * 3;
    return Pixel{p[0], p[1], p[2], 0};
  };
  for (int x = 0; x < at.size; x++)
    for (int again = 0; again < at.n; again++, at.placeX += at.dxx, at.placeY += at.dxy) {
      const int left = at.placeX >> 16, top = at.placeY >> 16, u = (at.placeX >> 8) & 255, v = (at.placeY >> 8) & 255;
      const int bottomRight = u * v, topRight = (u << 8) - bottomRight, bottomLeft = (v << 8) - bottomRight;
      const int topLeft = one - topRight - bottomLeft - bottomRight;
      Pixel sum;
      // four values are read of a pixel: not of the last one of a row, since it may be the picture's last
      if (left >= 0 && top >= 0 && left < last - 1 && top < last) {
        const uint8_t *p = rgb + (size_t)top * row + left * 3, *q = p + row;
        sum = pixelAt(p) * topLeft + pixelAt(p + 3) * topRight + pixelAt(q) * bottomLeft + pixelAt(q + 3) * bottomRight;
      } else {
        sum = tapAt(left, top) * topLeft + tapAt(left + 1, top) * topRight + tapAt(left, top + 1) * bottomLeft + tapAt(left + 1, top + 1) * bottomRight;
      }
      sums[x] += (sum + 32768) >> 16;
    }
}

void turned(const uint8_t* rgb, int side, const Job& job, int size, uint8_t* out) {
  constexpr int one = 65536;
  const int n = std::max(1, nearest((double)std::max(job.width, job.height) / size)), fine = size * n;
  const double stepX = (double)((job.flip ? -1 : 1) * job.width) / fine, stepY = (double)job.height / fine, centre = side / 2.0;
  const int dxx = nearest(stepX * job.cos * one), dxy = nearest(-stepX * job.sin * one);
  const double firstX = (job.flip ? job.left + job.width : job.left) + stepX / 2 - centre;
  const int places = n * n, half = places >> 1;
  std::vector<Pixel> sums(size);
  for (int y = 0; y < size; y++) {
    std::fill(sums.begin(), sums.end(), Pixel{});
    for (int fineY = y * n; fineY < (y + 1) * n; fineY++) {
      const double offY = job.top + (fineY + 0.5) * stepY - centre;
      const int placeX = nearest((centre + firstX * job.cos + offY * job.sin - 0.5) * one);
      const int placeY = nearest((centre - firstX * job.sin + offY * job.cos - 0.5) * one);
      walk(rgb, side, job.fill, {placeX, placeY, dxx, dxy, n, size}, sums.data());
    }
    uint8_t* o = out + (size_t)y * size * 3;
    for (int x = 0; x < size; x++, o += 3)
      for (int k = 0; k < 3; k++) o[k] = (uint8_t)(places == 1 ? sums[x][k] : (sums[x][k] + half) / places);
  }
}

uint8_t level(double x) { return (uint8_t)std::fmax(0, std::fmin(255, std::floor(x + 0.5))); }

void recolour(uint8_t* rgb, size_t count, double brightness, double saturation) {
  for (size_t i = 0; i < count; i += 3) {
    const double r = rgb[i] * brightness, g = rgb[i + 1] * brightness, b = rgb[i + 2] * brightness;
    const double grey = 0.299 * r + 0.587 * g + 0.114 * b;
    rgb[i] = level(grey + saturation * (r - grey));
    rgb[i + 1] = level(grey + saturation * (g - grey));
    rgb[i + 2] = level(grey + saturation * (b - grey));
  }
}

struct Work {
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  std::vector<napi_ref> held;
  const uint8_t* rgb = nullptr;
  int side = 0, size = 0;
  std::vector<Job> jobs;
  std::vector<uint8_t*> outs;

  static void execute(napi_env, void* p) {
    Work& w = *static_cast<Work*>(p);
    for (size_t i = 0; i < w.jobs.size(); i++) {
      const Job& job = w.jobs[i];
      if (job.turned) turned(w.rgb, w.side, job, w.size, w.outs[i]);
      else straight(w.rgb, w.side, job, w.size, w.outs[i]);
      if (job.brightness != 1 || job.saturation != 1) recolour(w.outs[i], (size_t)w.size * w.size * 3, job.brightness, job.saturation);
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
  uint8_t* hold(napi_env env, napi_value v) {
    napi_ref ref;
    napi_create_reference(env, v, 1, &ref);
    held.push_back(ref);
    return typedArray<uint8_t>(env, v);
  }
};

// (square, side, size, numbers of all jobs, one array a job to write to) -> promise
napi_value resample(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  auto work = std::make_unique<Work>();
  work->rgb = work->hold(env, a[0]);
  work->side = (int)a.number(1), work->size = (int)a.number(2);
  size_t numbers = 0;
  const double* jobs = a.array<double>(3, &numbers);
  for (size_t i = 0; i < numbers / jobNumbers; i++) {
    work->jobs.push_back(decodeJob(jobs + i * jobNumbers));
    napi_value one;
    napi_get_element(env, a[4], (uint32_t)i, &one);
    work->outs.push_back(work->hold(env, one));
  }
  napi_value promise, label;
  napi_create_promise(env, &work->deferred, &promise);
  napi_create_string_utf8(env, "op_pipe_resample", NAPI_AUTO_LENGTH, &label);
  napi_create_async_work(env, nullptr, label, Work::execute, Work::complete, work.get(), &work->work);
  napi_queue_async_work(env, work.release()->work);
  return promise;
}
} // namespace

NAPI_MODULE_INIT() {
  setFunction(env, exports, "resample", resample);
  return exports;
}
