// One mapping for a whole program: sizes are added up first, then handed out.
#pragma once
#include <sys/mman.h>
#include <cstddef>
#include <cstdint>
#include <new>

class Arena {
 public:
  explicit Arena(char* base = nullptr) : base_(base) {}
  // 64-byte aligned, with 256 bytes of slack: kernels may read one vector past the end.
  template <class T>
  T* take(int64_t count) {
    T* at = reinterpret_cast<T*>(base_ + used_);
    size_t bytes = (size_t)count * sizeof(T) + 256;
    // large buffers start at different places of a page, so that equal offsets do not compete for the same cache sets
    used_ += (bytes + 63) / 64 * 64 + (bytes > (1 << 16) ? 64 * (11 + 2 * (taken_++ % 16)) : 0);
    return at;
  }
  size_t used() const { return used_; }

  static void* map(size_t bytes) {
    void* at = mmap(nullptr, bytes + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    madvise(at, bytes + huge, MADV_HUGEPAGE);
#endif
    return at;
  }
  static char* alignedBase(void* at) {
    return reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(at) + huge - 1) / huge * huge);
  }
  static void unmap(void* at, size_t bytes) { munmap(at, bytes + huge); }

 private:
  static constexpr size_t huge = 2 << 20;
  char* base_;
  size_t used_ = 0;
  int taken_ = 0;
};
