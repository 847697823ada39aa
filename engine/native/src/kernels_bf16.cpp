// See kernels_bf16.h. The loops are those of conv.inc and dense.inc with pairs in place of single values.
#include "kernels_bf16.h"
#include "simd.h"

#if defined(__AVX512BF16__)
namespace {
#include "adam.inc"
#include "fetch.inc"

typedef __m512bh bh;
INLINE bh pairs(const uint32_t* p) { return (bh)_mm512_loadu_si512(p); }
INLINE bh spread(const void* p) {
  int32_t value;
  memcpy(&value, p, 4);
  return (bh)_mm512_set1_epi32(value);
}
INLINE vf dot(vf acc, bh a, bh b) { return (vf)_mm512_dpbf16_ps((__m512)acc, a, b); }
INLINE __m256i half(vf x) { return (__m256i)_mm512_cvtneps_pbh((__m512)x); }
INLINE __m512i paired(vf low, vf high) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(half(low)), _mm512_slli_epi32(_mm512_cvtepu16_epi32(half(high)), 16));
}
INLINE uint16_t narrowOne(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 64);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
INLINE uint32_t pairOne(float low, float high) { return narrowOne(low) | (uint32_t)narrowOne(high) << 16; }

void narrow(const float* x, int64_t n, uint16_t* y) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) _mm256_storeu_si256((__m256i*)(y + i), half(load(x + i)));
  for (; i < n; i++) y[i] = narrowOne(x[i]);
}

void pairUp(const float* x, int64_t n, int64_t distance, uint32_t* y) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) _mm512_storeu_si512(y + i, paired(load(x + i), load(x + i + distance)));
  for (; i < n; i++) y[i] = pairOne(x[i], x[i + distance]);
}

void packWeights(const float* w, int rows, int run, int cout, uint32_t* packed) {
  const int block = packBlock(cout);
  for (int c = 0; c < cout; c += block)
    for (int r = 0; r < rows; r++)
      for (int j = 0; j < run; j += 2, packed += block)
        for (int i = 0; i < block; i++) {
          const float* at = w + ((int64_t)r * run + j) * cout + c + i;
          packed[i] = pairOne(at[0], j + 1 < run ? at[cout] : 0.0f);
        }
}

template <int NV, int P, int CIN>
INLINE void convTile(const uint16_t* const* rows, int kernel, int cinRuntime, const uint32_t* w, int wPitch, const float* bias, float* out, int outPitch, int x) {
  const int cin = CIN ? CIN : cinRuntime, count = pairsOf(kernel * cin);
  vf acc[P][NV];
  UNROLL for (int v = 0; v < NV; v++) {
    const vf b = bias ? load(bias + v * VL) : (vf){};
    UNROLL for (int p = 0; p < P; p++) acc[p][v] = b;
  }
  for (int r = 0; r < kernel; r++) {
    const uint16_t* in = rows[r] + (int64_t)x * cin;
    for (int j = 0; j < count; j++) {
      bh wv[NV];
      UNROLL for (int v = 0; v < NV; v++) wv[v] = pairs(w + v * VL);
      UNROLL for (int p = 0; p < P; p++) {
        const bh s = spread(in + p * cin + 2 * j);
        UNROLL for (int v = 0; v < NV; v++) acc[p][v] = dot(acc[p][v], wv[v], s);
      }
      w += wPitch;
    }
  }
  UNROLL for (int p = 0; p < P; p++)
    UNROLL for (int v = 0; v < NV; v++) store(out + (int64_t)(x + p) * outPitch + v * VL, acc[p][v]);
}

template <int NV, int CIN>
void convBlock(const uint16_t* const* rows, int kernel, int cin, const uint32_t* w, int wPitch, const float* bias, float* out, int outPitch, int width) {
  constexpr int wide = CIN ? 24 / NV : 6 / NV, narrow = wide >= 12 ? wide / 3 : (wide >= 4 ? wide / 2 : 1);
  int x = 0;
  for (; x + wide <= width; x += wide) convTile<NV, wide, CIN>(rows, kernel, cin, w, wPitch, bias, out, outPitch, x);
  for (; x + narrow <= width; x += narrow) convTile<NV, narrow, CIN>(rows, kernel, cin, w, wPitch, bias, out, outPitch, x);
  if (x < width && width >= narrow) {
    convTile<NV, narrow, CIN>(rows, kernel, cin, w, wPitch, bias, out, outPitch, width - narrow);
    return;
  }
  for (; x < width; x++) convTile<NV, 1, CIN>(rows, kernel, cin, w, wPitch, bias, out, outPitch, x);
}

template <int CIN>
void convRowFor(const uint16_t* const* rows, int kernel, int cin, int cout, const uint32_t* w, const float* bias, float* out, int width) {
  const int block = packBlock(cout);
  const int64_t perBlock = (int64_t)kernel * pairsOf(kernel * cin) * block;
  for (int c = 0; c < cout; c += block, w += perBlock) {
    const float* b = bias ? bias + c : nullptr;
    if (block == 32) convBlock<2, CIN>(rows, kernel, cin, w, block, b, out + c, cout, width);
    else convBlock<1, CIN>(rows, kernel, cin, w, block, b, out + c, cout, width);
  }
}

void convRow(const uint16_t* const* rows, int kernel, int cin, int cout, const uint32_t* w, const float* bias, float* out, int width) {
  switch (cin) {
    case 3: return convRowFor<3>(rows, kernel, cin, cout, w, bias, out, width);
    case 16: return convRowFor<16>(rows, kernel, cin, cout, w, bias, out, width);
    case 32: return convRowFor<32>(rows, kernel, cin, cout, w, bias, out, width);
    case 64: return convRowFor<64>(rows, kernel, cin, cout, w, bias, out, width);
    default: return convRowFor<0>(rows, kernel, cin, cout, w, bias, out, width);
  }
}

INLINE vf wide(const uint16_t* p) { return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16); }

// One vector of channels of a row; see norm.inc for the formula.
template <bool NARROW_Z>
INLINE void normGradChannels(const float* z, const uint16_t* z16, const float* dy, const uint8_t* code, const float* xp, int y, const ConvShape& s,
                             const float* const* k, int c, uint16_t* narrowed, uint32_t* paired2) {
  const int n = s.cout, half2 = y >> 1;
  const vf mean = load(k[0] + c), inverse = load(k[1] + c), scale = load(k[2] + c), shift = load(k[3] + c), floor = load(k[6] + c);
  const vf slope = -scale * inverse * load(k[5] + c), base = -scale * load(k[4] + c) - slope * mean;
  const int64_t row = (int64_t)half2 * s.pooled * n + c;
  const float *d = dy + row, *xc = xp + row;
  const uint8_t* place = code + row;
  const __m512i first = _mm512_set1_epi32((y & 1) * 2), second = _mm512_set1_epi32((y & 1) * 2 + 1);
  const int windows = half2 < s.pooled ? s.pooled : 0;
  for (int x = 0; x < s.out; x += 2, d += n, xc += n, place += n) {
    const int64_t at = (int64_t)x * n + c;
    vf a = NARROW_Z ? wide(z16 + at) : load(z + at), b = {};
    a = a * slope + base;
    if (x + 1 < s.out) b = (NARROW_Z ? wide(z16 + at + n) : load(z + at + n)) * slope + base;
    if (x < 2 * windows) {
      const vf g = load(xc) * scale + shift > floor ? load(d) * scale : (vf){};
      const __m512i where = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)place));
      a = (vf)_mm512_mask_add_ps((__m512)a, _mm512_cmpeq_epi32_mask(where, first), (__m512)a, (__m512)g);
      b = (vf)_mm512_mask_add_ps((__m512)b, _mm512_cmpeq_epi32_mask(where, second), (__m512)b, (__m512)g);
    }
    const __m256i low = half(a), high = half(b);
    _mm512_storeu_si512(paired2 + (int64_t)(x / 2) * n + c, _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16)));
    if (!narrowed) continue;
    _mm256_storeu_si256((__m256i*)(narrowed + at), low);
    if (x + 1 < s.out) _mm256_storeu_si256((__m256i*)(narrowed + at + n), high);
  }
}

void normGradRow(const float* z, const uint16_t* z16, const float* dy, const uint8_t* code, const float* xp, int y, const ConvShape& s,
                 const float* const* k, uint16_t* narrowed, uint32_t* paired2) {
  fetchNextRows(dy, code, xp, y, s);
  if (z16) fetchAhead(z16 + (int64_t)s.out * s.cout, (int64_t)s.out * s.cout * sizeof(uint16_t));
  for (int c = 0; c < s.cout; c += VL) {
    if (z) normGradChannels<false>(z, z16, dy, code, xp, y, s, k, c, narrowed, paired2);
    else normGradChannels<true>(z, z16, dy, code, xp, y, s, k, c, narrowed, paired2);
  }
}

template <int J, int NV>
INLINE void weightsTile(const uint32_t* in, int cin, const uint32_t* dz, int cout, int count, float* dw) {
  vf acc[J][NV];
  UNROLL for (int j = 0; j < J; j++)
    UNROLL for (int v = 0; v < NV; v++) acc[j][v] = load(dw + j * cout + v * VL);
  for (int x = 0; x < count; x++) {
    bh d[NV];
    UNROLL for (int v = 0; v < NV; v++) d[v] = pairs(dz + v * VL);
    UNROLL for (int j = 0; j < J; j++) {
      const bh s = spread(in + j);
      UNROLL for (int v = 0; v < NV; v++) acc[j][v] = dot(acc[j][v], d[v], s);
    }
    in += 2 * cin;
    dz += cout;
  }
  UNROLL for (int j = 0; j < J; j++)
    UNROLL for (int v = 0; v < NV; v++) store(dw + j * cout + v * VL, acc[j][v]);
}

template <int NV>
void weightsBlock(const uint32_t* const* rows, int kernel, int cin, int cout, const uint32_t* dz, int count, float* dw) {
  constexpr int J = 24 / NV;
  const int run = kernel * cin;
  for (int r = 0; r < kernel; r++) {
    int j = 0;
    for (; j + J <= run; j += J) weightsTile<J, NV>(rows[r] + j, cin, dz, cout, count, dw + (int64_t)(r * run + j) * cout);
    for (; j + 3 <= run; j += 3) weightsTile<3, NV>(rows[r] + j, cin, dz, cout, count, dw + (int64_t)(r * run + j) * cout);
    for (; j < run; j++) weightsTile<1, NV>(rows[r] + j, cin, dz, cout, count, dw + (int64_t)(r * run + j) * cout);
  }
}

// As weightsPicture in conv.inc.
INLINE void weightsPicture(const uint32_t* const* rows, const uint32_t* dz, int cout, int count, float* dw) {
  vf acc[3][9];
  UNROLL for (int r = 0; r < 3; r++)
    UNROLL for (int j = 0; j < 9; j++) acc[r][j] = load(dw + (r * 9 + j) * cout);
  const uint32_t *a = rows[0], *b = rows[1], *c = rows[2];
  for (int x = 0; x < count; x++, a += 6, b += 6, c += 6, dz += cout) {
    const bh d = pairs(dz);
    UNROLL for (int j = 0; j < 9; j++) acc[0][j] = dot(acc[0][j], d, spread(a + j));
    UNROLL for (int j = 0; j < 9; j++) acc[1][j] = dot(acc[1][j], d, spread(b + j));
    UNROLL for (int j = 0; j < 9; j++) acc[2][j] = dot(acc[2][j], d, spread(c + j));
  }
  UNROLL for (int r = 0; r < 3; r++)
    UNROLL for (int j = 0; j < 9; j++) store(dw + (r * 9 + j) * cout, acc[r][j]);
}

void weightsRow(const uint32_t* const* rows, int kernel, int cin, int cout, const uint32_t* dz, int width, float* dw) {
  const int count = (width + 1) / 2;
  int c = 0;
  if (kernel == 3 && cin == 3) {
    for (; c < cout; c += VL) weightsPicture(rows, dz + c, cout, count, dw + c);
    return;
  }
  for (; c + 64 <= cout; c += 64) weightsBlock<4>(rows, kernel, cin, cout, dz + c, count, dw + c);
  for (; c + 32 <= cout; c += 32) weightsBlock<2>(rows, kernel, cin, cout, dz + c, count, dw + c);
  for (; c < cout; c += 16) weightsBlock<1>(rows, kernel, cin, cout, dz + c, count, dw + c);
}

#define DENSE_K 64
#define DENSE_ROWS 6
#define BACK_K 8

// x: pairs of inputs per picture, `pitch` apart; w: [steps][units]
template <int N, int NV>
INLINE void forwardTile(const uint32_t* x, int pitch, int64_t steps, const uint32_t* w, int units, float* y, const uint32_t* next) {
  vf acc[N][NV];
  UNROLL for (int i = 0; i < N; i++)
    UNROLL for (int v = 0; v < NV; v++) acc[i][v] = load(y + i * units + v * VL);
  for (int64_t k = 0; k < steps; k++, w += units) {
    __builtin_prefetch(next + k * 16, 0, 2);
    bh wv[NV];
    UNROLL for (int v = 0; v < NV; v++) wv[v] = pairs(w + v * VL);
    UNROLL for (int i = 0; i < N; i++) {
      const bh s = spread(x + i * pitch + k);
      UNROLL for (int v = 0; v < NV; v++) acc[i][v] = dot(acc[i][v], wv[v], s);
    }
  }
  UNROLL for (int i = 0; i < N; i++)
    UNROLL for (int v = 0; v < NV; v++) store(y + i * units + v * VL, acc[i][v]);
}

template <int NV>
void forwardRows(const uint32_t* x, int pitch, int n, int64_t steps, const uint32_t* w, int units, float* y, const uint32_t* next) {
  const uint32_t* const end = next + NV * VL * DENSE_K / 2;
  for (int i = 0; i < n; next = next + 8 * DENSE_K < end ? next + 8 * DENSE_K : next) {
    const int tiles = (n - i + DENSE_ROWS - 1) / DENSE_ROWS, rows = (n - i + tiles - 1) / tiles;
    const uint32_t* xi = x + i * pitch;
    float* yi = y + (int64_t)i * units;
    switch (rows) {
      case 6: forwardTile<6, NV>(xi, pitch, steps, w, units, yi, next); break;
      case 5: forwardTile<5, NV>(xi, pitch, steps, w, units, yi, next); break;
      case 4: forwardTile<4, NV>(xi, pitch, steps, w, units, yi, next); break;
      case 3: forwardTile<3, NV>(xi, pitch, steps, w, units, yi, next); break;
      case 2: forwardTile<2, NV>(xi, pitch, steps, w, units, yi, next); break;
      default: forwardTile<1, NV>(xi, pitch, steps, w, units, yi, next); break;
    }
    i += rows;
  }
}

void denseForward(const float* x, int64_t pitch, int n, int64_t k0, int64_t k1, const uint32_t* w, int units, float* y) {
  uint32_t block[64 * DENSE_K / 2];
  for (int64_t k = k0; k < k1; k += DENSE_K) {
    const int64_t steps = (k1 - k < DENSE_K ? k1 - k : DENSE_K) / 2;
    const uint32_t *wk = w + k / 2 * units, *next = k + DENSE_K < k1 ? wk + (int64_t)DENSE_K / 2 * units : wk;
    for (int from = 0; from < n; from += 64) {
      const int rows = n - from < 64 ? n - from : 64;
      for (int i = 0; i < rows; i++) narrow(x + (from + i) * pitch + k, 2 * steps, (uint16_t*)(block + i * DENSE_K / 2));
      float* yf = y + (int64_t)from * units;
      int u = 0;
      for (; u + 64 <= units; u += 64) forwardRows<4>(block, DENSE_K / 2, rows, steps, wk + u, units, yf + u, next + (int64_t)u * DENSE_K / 2);
      for (; u < units; u += 16) forwardRows<1>(block, DENSE_K / 2, rows, steps, wk + u, units, yf + u, next + (int64_t)u * DENSE_K / 2);
    }
  }
}

// dx^T: BACK_K inputs by NV vectors of pictures; w: bf16 [BACK_K][units], dyT: pairs of units [units / 2][np]
template <int NV>
INLINE void inputGradTile(const uint16_t* w, int units, const uint32_t* dyT, int np, float* out, int outPitch) {
  vf acc[BACK_K][NV];
  UNROLL for (int k = 0; k < BACK_K; k++)
    UNROLL for (int v = 0; v < NV; v++) acc[k][v] = (vf){};
  for (int u = 0; u < units; u += 2, dyT += np) {
    bh d[NV];
    UNROLL for (int v = 0; v < NV; v++) d[v] = pairs(dyT + v * VL);
    UNROLL for (int k = 0; k < BACK_K; k++) {
      const bh s = spread(w + k * units + u);
      UNROLL for (int v = 0; v < NV; v++) acc[k][v] = dot(acc[k][v], d[v], s);
    }
  }
  UNROLL for (int k = 0; k < BACK_K; k++)
    UNROLL for (int v = 0; v < NV; v++) store(out + k * outPitch + v * VL, acc[k][v]);
}

// x: pairs of pictures [count][BACK_K]
template <int K, int NV>
INLINE vf weightGradTile(const uint32_t* x, const uint32_t* dy, int count, int units, float* g, const float* w, const float* m, const float* v2) {
  vf acc[K][NV];
  UNROLL for (int k = 0; k < K; k++)
    UNROLL for (int v = 0; v < NV; v++) acc[k][v] = (vf){};
  for (int i = 0; i < count; i++, x += BACK_K, dy += units) {
    if (i < K * NV * VL / 16) __builtin_prefetch(w + i * 16, 0, 2), __builtin_prefetch(m + i * 16, 0, 2), __builtin_prefetch(v2 + i * 16, 0, 2);
    bh d[NV];
    UNROLL for (int v = 0; v < NV; v++) d[v] = pairs(dy + v * VL);
    UNROLL for (int k = 0; k < K; k++) {
      const bh s = spread(x + k);
      UNROLL for (int v = 0; v < NV; v++) acc[k][v] = dot(acc[k][v], d[v], s);
    }
  }
  vf squares = {};
  UNROLL for (int k = 0; k < K; k++)
    UNROLL for (int v = 0; v < NV; v++) store(g + k * units + v * VL, acc[k][v]), squares += acc[k][v] * acc[k][v];
  return squares;
}

// The input's gradient for BACK_K rows. scratch: BACK_K * (units / 2 + np) floats
void inputGrad(const float* w, int units, const uint32_t* dyT, int n, int np, float* dx, int64_t pitch, float* scratch) {
  uint16_t* narrowed = (uint16_t*)scratch;
  float* dxT = scratch + BACK_K * units / 2;
  narrow(w, (int64_t)BACK_K * units, narrowed);
  int p = 0;
  for (; p + 2 * VL <= np; p += 2 * VL) inputGradTile<2>(narrowed, units, dyT + p, np, dxT + p, np);
  for (; p < np; p += VL) inputGradTile<1>(narrowed, units, dyT + p, np, dxT + p, np);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < BACK_K; j++) dx[i * pitch + j] = dxT[j * np + i];
}

double denseBackward(const float* x, int64_t pitch, int n, int64_t k0, int64_t k1, float* w, float* m, float* v, uint32_t* wPairs, const uint32_t* dy,
                     const uint32_t* dyT, int units, float* dx, const AdamStep& a, float* scratch) {
  const int np = (n + LANES - 1) / LANES * LANES, count = (n + 1) / 2;
  float *g = scratch, *rest = g + BACK_K * (units + n + 1);
  uint32_t* xb = (uint32_t*)(g + BACK_K * units);
  double total = 0;
  for (int64_t k = k0; k < k1; k += BACK_K) {
    float *wk = w + k * units, *mk = m + k * units, *vk = v + k * units;
    if (dx) inputGrad(wk, units, dyT, n, np, dx + k, pitch, rest);
    for (int i = 0; i < count; i++) {
      const float* at = x + 2 * i * pitch + k;
      const __m256 first = _mm256_loadu_ps(at), second = 2 * i + 1 < n ? _mm256_loadu_ps(at + pitch) : _mm256_setzero_ps();
      const __m256i both = half((vf)_mm512_insertf32x8(_mm512_castps256_ps512(first), second, 1));
      const __m128i low = _mm256_castsi256_si128(both), high = _mm256_extracti128_si256(both, 1);
      _mm_storeu_si128((__m128i*)(xb + i * BACK_K), _mm_unpacklo_epi16(low, high));
      _mm_storeu_si128((__m128i*)(xb + i * BACK_K + 4), _mm_unpackhi_epi16(low, high));
    }
    vf squares = {};
    int u = 0;
    const int64_t next = (k + BACK_K < k1 ? k + BACK_K : k) * units;
    for (; u + 64 <= units; u += 64)
      for (int j = 0; j < BACK_K; j += 4) {
        const int64_t at = next + (int64_t)u * BACK_K + j * 64;
        squares += weightGradTile<4, 4>(xb + j, dy + u, count, units, g + j * units + u, w + at, m + at, v + at);
      }
    for (; u < units; u += 16) {
      const int64_t at = next + (int64_t)u * BACK_K;
      squares += weightGradTile<BACK_K, 1>(xb, dy + u, count, units, g + u, w + at, m + at, v + at);
    }
    total += sumv(squares);
    uint32_t* pk = wPairs + k / 2 * units;
    for (int r = 0; r < BACK_K; r += 2)
      for (int c = 0; c < units; c += VL) {
        const int64_t i = (int64_t)r * units + c, j = i + units;
        const vf low = adamVector(wk + i, mk + i, vk + i, load(g + i), a), high = adamVector(wk + j, mk + j, vk + j, load(g + j), a);
        // past the cache: it is not read before the next step
        _mm512_stream_si512((__m512i*)(pk + r / 2 * units + c), paired(low, high));
      }
  }
  _mm_sfence();
  return total;
}

double peak(int64_t rounds) {
  vf acc[24];
  UNROLL for (int i = 0; i < 24; i++) acc[i] = splat((float)i);
  __m512i a = _mm512_set1_epi32(0x3f003f00), b = _mm512_set1_epi32(0x30003000);
  for (int64_t r = 0; r < rounds; r++) {
    __asm__ volatile("" : "+m"(a), "+m"(b));
    const bh x = (bh)a, y = (bh)b;
    UNROLL for (int u = 0; u < 8; u++)
      UNROLL for (int i = 0; i < 24; i++) acc[i] = dot(acc[i], x, y);
  }
  vf total = {};
  UNROLL for (int i = 0; i < 24; i++) total += acc[i];
  volatile float keep = sumv(total);
  (void)keep;
  return 4.0 * 8 * 24 * VL * (double)rounds;
}

const KernelsBf16 table = {narrow, pairUp, packWeights, convRow, normGradRow, weightsRow, denseForward, denseBackward, peak};
} // namespace

const KernelsBf16* kernelsBf16() { return __builtin_cpu_supports("avx512bf16") ? &table : nullptr; }
#else
const KernelsBf16* kernelsBf16() { return nullptr; }
#endif
