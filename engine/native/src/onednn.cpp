// oneDNN's convolution (forward, input gradient, weight gradient) and matrix product on TensorFlow.js's layouts (NHWC,
// HWIO, row-major), for the tfjs backend; an addon of its own (see Addon.ts). Primitives are made once per geometry and kept; weights are reordered to the
// layout that the primitive wants on each call, which costs little beside the convolution.
//
// Built against oneDNN 2.6 (Debian 12) and 3.x: they differ in how a primitive descriptor is made, which is all in the
// three functions under `#if DNNL_VERSION_MAJOR`. The 3.x side is compiled only where 3.x is installed.
#include <dlfcn.h>
#include <node_api.h>
#include <array>
#include <map>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>
#include "napi_util.h"

namespace {
using dnnl::memory;
using tag = memory::format_tag;
using dims = memory::dims;

enum Kind { forward, inputGradient, weightGradient };
// n h w cin cout kh kw oh ow strideH strideW padTop padLeft padBottom padRight dilationH dilationW
constexpr int geometrySize = 17;
using Geometry = std::array<int32_t, geometrySize + 1>; // and the kind

dnnl::engine& engine() {
  static dnnl::engine e(dnnl::engine::kind::cpu, 0);
  return e;
}
dnnl::stream& stream() {
  static dnnl::stream s(engine());
  return s;
}

struct Descriptors {
  memory::desc x, w, y;
  dims strides, dilations, padBefore, padAfter;
};
constexpr auto alg = dnnl::algorithm::convolution_direct;
constexpr auto prop = dnnl::prop_kind::forward_training;

#if DNNL_VERSION_MAJOR >= 3
dnnl::convolution_forward::primitive_desc describeForward(const Descriptors& d) {
  return {engine(), prop, alg, d.x, d.w, d.y, d.strides, d.dilations, d.padBefore, d.padAfter};
}
dnnl::convolution_backward_data::primitive_desc describeInput(const Descriptors& d) {
  return {engine(), alg, d.x, d.w, d.y, d.strides, d.dilations, d.padBefore, d.padAfter, describeForward(d)};
}
dnnl::convolution_backward_weights::primitive_desc describeWeights(const Descriptors& d) {
  return {engine(), alg, d.x, d.w, d.y, d.strides, d.dilations, d.padBefore, d.padAfter, describeForward(d)};
}
dnnl::matmul::primitive_desc describeMatmul(const memory::desc& a, const memory::desc& b, const memory::desc& c) { return {engine(), a, b, c}; }
#else
dnnl::convolution_forward::primitive_desc describeForward(const Descriptors& d) {
  return {{prop, alg, d.x, d.w, d.y, d.strides, d.dilations, d.padBefore, d.padAfter}, engine()};
}
dnnl::convolution_backward_data::primitive_desc describeInput(const Descriptors& d) {
  return {{alg, d.x, d.w, d.y, d.strides, d.dilations, d.padBefore, d.padAfter}, engine(), describeForward(d)};
}
dnnl::convolution_backward_weights::primitive_desc describeWeights(const Descriptors& d) {
  return {{alg, d.x, d.w, d.y, d.strides, d.dilations, d.padBefore, d.padAfter}, engine(), describeForward(d)};
}
dnnl::matmul::primitive_desc describeMatmul(const memory::desc& a, const memory::desc& b, const memory::desc& c) { return {{a, b, c}, engine()}; }
#endif

// A convolution of one geometry, with room for weights in its own layout.
struct Convolution {
  dnnl::primitive primitive;
  memory x, w, y, plainWeights;
  bool reorders = false;
};

std::unique_ptr<Convolution> makeConvolution(const Geometry& g) {
  const auto f32 = memory::data_type::f32;
  const dims xd = {g[0], g[3], g[1], g[2]}, wd = {g[4], g[3], g[5], g[6]}, yd = {g[0], g[4], g[7], g[8]};
  const Descriptors d = {{xd, f32, tag::nhwc}, {wd, f32, tag::any}, {yd, f32, tag::nhwc}, {g[9], g[10]}, {g[15] - 1, g[16] - 1}, {g[11], g[12]}, {g[13], g[14]}};
  auto c = std::make_unique<Convolution>();
  const memory::desc plain(wd, f32, tag::hwio);
  memory::desc own;
  switch ((Kind)g[geometrySize]) {
    case forward: {
      auto p = describeForward(d);
      c->primitive = dnnl::convolution_forward(p), own = p.weights_desc();
      break;
    }
    case inputGradient: {
      auto p = describeInput(d);
      c->primitive = dnnl::convolution_backward_data(p), own = p.weights_desc();
      break;
    }
    default: {
      auto p = describeWeights(d);
      c->primitive = dnnl::convolution_backward_weights(p), own = p.diff_weights_desc();
    }
  }
  c->x = memory(d.x, engine(), nullptr), c->y = memory(d.y, engine(), nullptr), c->plainWeights = memory(plain, engine(), nullptr);
  c->reorders = own != plain;
  c->w = c->reorders ? memory(own, engine()) : memory(plain, engine(), nullptr);
  return c;
}

void runConvolution(const Geometry& g, float* x, float* w, float* y) {
  static std::map<Geometry, std::unique_ptr<Convolution>> made;
  auto& slot = made[g];
  if (!slot) slot = makeConvolution(g);
  Convolution& c = *slot;
  const Kind kind = (Kind)g[geometrySize];
  c.x.set_data_handle(x), c.y.set_data_handle(y), c.plainWeights.set_data_handle(w);
  if (!c.reorders) c.w.set_data_handle(w);
  else if (kind != weightGradient) dnnl::reorder(c.plainWeights, c.w).execute(stream(), c.plainWeights, c.w);
  if (kind == forward) c.primitive.execute(stream(), {{DNNL_ARG_SRC, c.x}, {DNNL_ARG_WEIGHTS, c.w}, {DNNL_ARG_DST, c.y}});
  else if (kind == inputGradient) c.primitive.execute(stream(), {{DNNL_ARG_DIFF_SRC, c.x}, {DNNL_ARG_WEIGHTS, c.w}, {DNNL_ARG_DIFF_DST, c.y}});
  else {
    c.primitive.execute(stream(), {{DNNL_ARG_SRC, c.x}, {DNNL_ARG_DIFF_WEIGHTS, c.w}, {DNNL_ARG_DIFF_DST, c.y}});
    if (c.reorders) dnnl::reorder(c.w, c.plainWeights).execute(stream(), c.w, c.plainWeights);
  }
  stream().wait();
}

// m k n transposeA transposeB
using Product = std::array<int32_t, 5>;

void runProduct(const Product& p, float* a, float* b, float* c) {
  static std::map<Product, dnnl::matmul> made;
  const auto f32 = memory::data_type::f32;
  const memory::desc ad({p[0], p[1]}, f32, p[3] ? tag::ba : tag::ab), bd({p[1], p[2]}, f32, p[4] ? tag::ba : tag::ab), cd({p[0], p[2]}, f32, tag::ab);
  auto at = made.find(p);
  if (at == made.end()) at = made.emplace(p, dnnl::matmul(describeMatmul(ad, bd, cd))).first;
  at->second.execute(stream(), {{DNNL_ARG_SRC, memory(ad, engine(), a)}, {DNNL_ARG_WEIGHTS, memory(bd, engine(), b)}, {DNNL_ARG_DST, memory(cd, engine(), c)}});
  stream().wait();
}

template <class F>
napi_value guarded(napi_env env, F f) {
  try {
    f();
  } catch (const dnnl::error& e) {
    napi_throw_error(env, e.status == dnnl_out_of_memory ? "ENOMEM" : "ONEDNN", e.what());
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, "ENOMEM", "oneDNN");
  }
  return nullptr;
}

// (kind, geometry, x, w, y)
napi_value conv(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  Geometry g;
  std::copy_n(a.array<int32_t>(1), geometrySize, g.begin());
  g[geometrySize] = (int32_t)a.number(0);
  return guarded(env, [&] { runConvolution(g, a.array<float>(2), a.array<float>(3), a.array<float>(4)); });
}

// (geometry, a, b, c)
napi_value matmul(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  Product p;
  std::copy_n(a.array<int32_t>(0), p.size(), p.begin());
  return guarded(env, [&] { runProduct(p, a.array<float>(1), a.array<float>(2), a.array<float>(3)); });
}

// oneDNN takes its threads from OpenMP
napi_value setThreads(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  auto set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  if (set) set((int)a.number(0));
  return nullptr;
}
} // namespace

NAPI_MODULE_INIT() {
  const dnnl_version_t* v = dnnl_version();
  setString(env, exports, "version", (std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch)).c_str());
  setFunction(env, exports, "conv", conv);
  setFunction(env, exports, "matmul", matmul);
  setFunction(env, exports, "setThreads", setThreads);
  return exports;
}
