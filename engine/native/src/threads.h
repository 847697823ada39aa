// A fixed team of threads that shares out numbered tasks, one set at a time; thread 0 is the caller. Whoever is free takes
// the next task, so a core that somebody else keeps busy costs its share and no more. What a task writes must depend on
// its number only and never on the thread: that makes results the same for every number of threads.
//
// Between calls the others sleep on a
// condition variable; within a step they look for the next phase for some microseconds first, never longer, so that an
// idle engine costs nothing and a shared machine is not spun on.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

class Team {
 public:
  explicit Team(int size) : size_(size) {
    for (int t = 1; t < size; t++) workers_.emplace_back([this, t] { work(t); });
  }
  ~Team() {
    {
      std::lock_guard<std::mutex> hold(mutex_);
      stop_ = true;
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
  }
  int size() const { return size_; }

  // Runs f(task, thread) for every task and waits for all.
  void run(int tasks, const std::function<void(int, int)>& f) {
    if (size_ == 1 || tasks == 1) {
      for (int i = 0; i < tasks; i++) f(i, 0);
      return;
    }
    {
      std::lock_guard<std::mutex> hold(mutex_);
      function_ = &f;
      tasks_ = tasks;
      next_.store(0);
      left_.store(size_ - 1);
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    share(0);
    for (int i = 0; i < spins; i++) {
      if (left_.load(std::memory_order_acquire) == 0) return;
      pause();
    }
    std::unique_lock<std::mutex> hold(mutex_);
    done_.wait(hold, [this] { return left_.load() == 0; });
  }

 private:
  static constexpr int spins = 2000;
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  void share(int thread) {
    for (int i = next_.fetch_add(1); i < tasks_; i = next_.fetch_add(1)) (*function_)(i, thread);
  }
  void work(int t) {
    uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < spins && generation_.load(std::memory_order_acquire) == seen; i++) pause();
      {
        std::unique_lock<std::mutex> hold(mutex_);
        wake_.wait(hold, [&] { return generation_.load() != seen; });
        seen = generation_.load();
        if (stop_) return;
      }
      share(t);
      if (left_.fetch_sub(1) == 1) {
        std::lock_guard<std::mutex> hold(mutex_);
        done_.notify_one();
      }
    }
  }

  const int size_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> left_{0}, next_{0};
  int tasks_ = 0;
  const std::function<void(int, int)>* function_ = nullptr;
  bool stop_ = false;
};
