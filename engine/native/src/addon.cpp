// The addon's face to JavaScript (Node-API 8, so one binary serves every Node version). Called by NativeProgram.ts only.
//
// A program's spec comes as one Float64Array; decodeSpec says in which order. step and predict run on a thread of
// libuv's pool and give promises; the arrays they were given are held until they are done.
#include <node_api.h>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include "clock.h"
#include "napi_util.h"
#include "program.h"

namespace {
const Kernels* bestKernels() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
    return &kernelsAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &kernelsAvx2;
#endif
  return &kernelsBase;
}

const Kernels* kernelsNamed(const std::string& name) {
  const Kernels* best = bestKernels();
  if (name.empty() || name == best->name) return best;
  if (name == kernelsBase.name) return &kernelsBase;
#if defined(__x86_64__)
  if (name == kernelsAvx2.name && best == &kernelsAvx512) return &kernelsAvx2;
#endif
  return nullptr;
}

ProgramSpec decodeSpec(const double* d) {
  ProgramSpec s{};
  auto next = [&] { return *d++; };
  s.size = (int)next(), s.channels = (int)next(), s.classes = (int)next(), s.batch = (int)next(), s.threads = (int)next(), s.bf16 = next() != 0;
  s.sgd = next() != 0, s.beta1 = (float)next(), s.beta2 = (float)next(), s.adamEpsilon = (float)next(), s.weightDecay = (float)next();
  s.sparsemax = next() != 0;
  for (int c = 0; c < s.channels; c++) s.scale.push_back((float)next());
  for (int c = 0; c < s.channels; c++) s.shift.push_back((float)next());
  for (int count = (int)next(); count > 0; count--) {
    BlockSpec b{};
    const int kind = (int)next(); // 0 dense, 1 convolution, 2 average pooling
    b.conv = kind > 0, b.average = kind == 2;
    if (b.conv) {
      b.inputSize = (int)next(), b.inputChannels = (int)next(), b.filters = (int)next(), b.depthwise = next() != 0;
      b.kernel = (int)next(), b.stride = (int)next(), b.padBefore = (int)next(), b.padAfter = (int)next(), b.convSize = (int)next();
      b.window = (int)next(), b.windowStride = (int)next(), b.windowPad = (int)next(), b.outputSize = (int)next();
      b.norm = next() != 0, b.relu = next() != 0, b.epsilon = (float)next(), b.momentum = (float)next();
    } else {
      b.inputs = (int)next(), b.units = (int)next(), b.relu = next() != 0, b.dropout = (float)next();
      b.flatSize = (int)next(), b.flatChannels = (int)next();
    }
    s.blocks.push_back(b);
  }
  return s;
}

struct Handle {
  std::unique_ptr<Program> program;
  int classes = 0;
};

Handle* handleOf(napi_env env, napi_value v) {
  void* p = nullptr;
  napi_get_value_external(env, v, &p);
  Handle* h = static_cast<Handle*>(p);
  if (!h || !h->program) {
    napi_throw_error(env, "DISPOSED", "the program was disposed of");
    return nullptr;
  }
  return h;
}

napi_value info(napi_env env, napi_callback_info) {
  napi_value out;
  napi_create_object(env, &out);
  setString(env, out, "isa", bestKernels()->name);
  setNumber(env, out, "hardwareThreads", std::thread::hardware_concurrency());
  return out;
}

std::unique_ptr<Program> build(napi_env env, const Arguments& a) {
  const Kernels* kernels = kernelsNamed(a.string(1));
  if (!kernels) {
    napi_throw_error(env, "ISA", "this processor does not have that instruction set");
    return nullptr;
  }
  return std::make_unique<Program>(decodeSpec(a.array<double>(0)), *kernels);
}

// (spec, isa or "") -> bytes that the program would map
napi_value plan(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  auto program = build(env, a);
  return program ? number(env, (double)program->bytes()) : nullptr;
}

// (spec, isa or "") -> program
napi_value create(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  auto handle = std::make_unique<Handle>();
  handle->program = build(env, a);
  if (!handle->program) return nullptr;
  handle->classes = decodeSpec(a.array<double>(0)).classes;
  try {
    handle->program->allocate();
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, "ENOMEM", std::to_string(handle->program->bytes()).c_str());
    return nullptr;
  }
  napi_value out;
  napi_create_external(env, handle.release(), [](napi_env, void* p, void*) { delete static_cast<Handle*>(p); }, nullptr, &out);
  return out;
}

struct Work {
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  std::vector<napi_ref> held;
  Program* program = nullptr;
  const uint8_t* pixels = nullptr;
  const int32_t* labels = nullptr;
  std::vector<const uint8_t*> masks;
  int n = 0;
  float rate = 0;
  float* logits = nullptr; // null: a training step
  std::vector<uint8_t*> alive;
  StepResult result;

  void hold(napi_env env, napi_value v) {
    napi_create_reference(env, v, 1, &held.emplace_back());
  }
  // The bytes of each block, or null; held until the work is done.
  std::vector<uint8_t*> byBlock(napi_env env, napi_value list) {
    std::vector<uint8_t*> bytes;
    uint32_t count = 0;
    napi_get_array_length(env, list, &count);
    for (uint32_t i = 0; i < count; i++) {
      napi_value one;
      napi_get_element(env, list, i, &one);
      bytes.push_back(typedArray<uint8_t>(env, one));
      if (bytes.back()) hold(env, one);
    }
    return bytes;
  }
  static void execute(napi_env, void* p) {
    Work& w = *static_cast<Work*>(p);
    if (w.logits) w.program->predict(w.pixels, w.n, w.logits, w.alive);
    else w.result = w.program->step(w.pixels, w.labels, w.n, w.rate, w.masks);
  }
  static void complete(napi_env env, napi_status, void* p) {
    std::unique_ptr<Work> w(static_cast<Work*>(p));
    napi_value out;
    if (w->logits) napi_get_reference_value(env, w->held[0], &out);
    else {
      napi_create_object(env, &out);
      setNumber(env, out, "loss", w->result.loss);
      setNumber(env, out, "correct", w->result.correct);
      napi_value squares;
      napi_create_array_with_length(env, w->result.norms.size(), &squares);
      for (size_t i = 0; i < w->result.norms.size(); i++) napi_set_element(env, squares, (uint32_t)i, number(env, w->result.norms[i]));
      napi_set_named_property(env, out, "squares", squares);
    }
    for (napi_ref ref : w->held) napi_delete_reference(env, ref);
    napi_resolve_deferred(env, w->deferred, out);
    napi_delete_async_work(env, w->work);
  }
};

napi_value start(napi_env env, std::unique_ptr<Work> work, const char* name) {
  napi_value promise, label;
  napi_create_promise(env, &work->deferred, &promise);
  napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &label);
  napi_create_async_work(env, nullptr, label, Work::execute, Work::complete, work.get(), &work->work);
  napi_queue_async_work(env, work->work);
  work.release();
  return promise;
}

// (program, pixels, labels, learning rate, masks by block or null) -> promise of loss, correct, squares by block
napi_value step(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  Handle* h = handleOf(env, a[0]);
  if (!h) return nullptr;
  auto work = std::make_unique<Work>();
  work->program = h->program.get();
  work->pixels = a.array<uint8_t>(1);
  size_t n = 0;
  work->labels = a.array<int32_t>(2, &n);
  work->n = (int)n;
  work->rate = (float)a.number(3);
  work->hold(env, a[1]), work->hold(env, a[2]);
  for (uint8_t* mask : work->byBlock(env, a[4])) work->masks.push_back(mask);
  return start(env, std::move(work), "op-pipe step");
}

// (program, pixels, n, logits to fill, what is alive by block or null) -> promise of logits
napi_value predict(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  Handle* h = handleOf(env, a[0]);
  if (!h) return nullptr;
  auto work = std::make_unique<Work>();
  work->program = h->program.get();
  work->pixels = a.array<uint8_t>(1);
  work->n = (int)a.number(2);
  work->logits = a.array<float>(3);
  work->hold(env, a[3]), work->hold(env, a[1]);
  work->alive = work->byBlock(env, a[4]);
  return start(env, std::move(work), "op-pipe predict");
}

// (program, block, role, slot, data)
napi_value exchange(napi_env env, napi_callback_info raw, bool write) {
  Arguments a(env, raw);
  Handle* h = handleOf(env, a[0]);
  if (!h) return nullptr;
  const int block = (int)a.number(1);
  const Role role = (Role)(int)a.number(2);
  const Slot slot = (Slot)(int)a.number(3);
  float* data = a.array<float>(4);
  if (write) h->program->write(block, role, slot, data);
  else h->program->read(block, role, slot, data);
  return nullptr;
}
napi_value read(napi_env env, napi_callback_info raw) { return exchange(env, raw, false); }
napi_value write(napi_env env, napi_callback_info raw) { return exchange(env, raw, true); }

// (program, n?) -> steps done; sets them when n is given
napi_value steps(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  Handle* h = handleOf(env, a[0]);
  if (!h) return nullptr;
  if (a.count() > 1) h->program->steps = (int64_t)a.number(1);
  return number(env, (double)h->program->steps);
}

// (program) -> seconds by phase since the last call
napi_value profile(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  Handle* h = handleOf(env, a[0]);
  if (!h) return nullptr;
  napi_value out;
  napi_create_object(env, &out);
  for (const auto& phase : h->program->profile) setNumber(env, out, phase.first.c_str(), phase.second);
  h->program->profile.clear();
  return out;
}

// (threads, rounds, bf16) -> floating-point operations a second, all threads together, by their own processor time
napi_value peak(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  const int threads = (int)a.number(0);
  const int64_t rounds = (int64_t)a.number(1);
  const bool bf16 = a.number(2) != 0;
  if (bf16 && !kernelsBf16()) return number(env, 0);
  std::vector<double> rate(threads);
  std::vector<std::thread> team;
  for (int t = 0; t < threads; t++)
    team.emplace_back([&rate, t, rounds, bf16] {
      std::map<std::string, double> time;
      double flop;
      {
        Timed timed(time, "");
        flop = bf16 ? kernelsBf16()->peak(rounds) : bestKernels()->peak(rounds);
      }
      rate[t] = flop / time[""];
    });
  for (auto& thread : team) thread.join();
  double total = 0;
  for (double r : rate) total += r;
  return number(env, total);
}

napi_value dispose(napi_env env, napi_callback_info raw) {
  Arguments a(env, raw);
  void* p = nullptr;
  napi_get_value_external(env, a[0], &p);
  if (p) static_cast<Handle*>(p)->program.reset();
  return nullptr;
}
} // namespace

NAPI_MODULE_INIT() {
  const struct {
    const char* name;
    napi_callback call;
  } functions[] = {{"info", info}, {"plan", plan}, {"create", create}, {"step", step}, {"predict", predict}, {"read", read}, {"write", write}, {"steps", steps}, {"profile", profile}, {"peak", peak}, {"dispose", dispose}};
  for (const auto& f : functions) setFunction(env, exports, f.name, f.call);
  return exports;
}
