// Adds the time until the end of a scope to a named total. With -DCPU_CLOCK it is the thread's own processor time, which
// is what to measure kernels by on a machine that others use too.
#pragma once
#include <chrono>
#include <ctime>
#include <map>
#include <string>

class Timed {
 public:
  Timed(std::map<std::string, double>& totals, const std::string& name, bool on = true) : total_(on ? &totals[name] : nullptr), start_(now()) {}
  ~Timed() {
    if (total_) *total_ += now() - start_;
  }

 private:
  static double now() {
#ifdef CPU_CLOCK
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
#else
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
#endif
  }
  double* total_;
  double start_;
};
