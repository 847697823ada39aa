// Weights and moments in and out, in PyTorch's layouts: OIHW for convolutions, out x in for dense layers with the
// columns of a flattened picture in C,H,W order. Inside: HWIO and in x out, rows of a flattened picture in H,W,C order.
#include <algorithm>
#include <cstring>
#include "program.h"

namespace {
// Calls f(index in PyTorch's layout, index in ours) for every element of a tensor; units [from, to) of a dense weight.
template <class F>
void eachElement(const Layer& l, Role role, int from, int to, F f) {
  const BlockSpec& s = l.spec;
  if (role != roleWeight) {
    const int n = s.conv ? s.filters : s.units;
    for (int i = 0; i < n; i++) f(i, i);
    return;
  }
  if (s.conv) {
    const int k = s.kernel, cin = s.depthwise ? 1 : s.inputChannels;
    for (int o = 0; o < s.filters; o++)
      for (int i = 0; i < cin; i++)
        for (int t = 0; t < k * k; t++) f(((int64_t)o * cin + i) * k * k + t, ((int64_t)t * l.weightChannels + i) * l.shape.cout + o);
    return;
  }
  const int64_t places = s.flatChannels ? (int64_t)s.flatSize * s.flatSize : 1;
  const int channels = s.flatChannels ? s.flatChannels : s.inputs;
  const int64_t channelPitch = l.pitchIn / places;
  // 16 places at a time, so that a cache line of either side is used whole
  for (int64_t block = 0; block < places; block += 16)
    for (int c = 0; c < channels; c++)
      for (int i = from; i < to; i++)
        for (int64_t p = block; p < std::min(block + 16, places); p++)
          f((int64_t)i * s.inputs + c * places + p, (p * channelPitch + c) * l.unitsPadded + i);
}

// 16 units of a dense weight are a task: both sides of the transposition stay in cache.
template <class F>
void eachElementShared(Team& team, const Layer& l, Role role, F f) {
  if (role != roleWeight || l.spec.conv) return eachElement(l, role, 0, 0, f);
  const int units = l.spec.units;
  team.run((units + 15) / 16, [&](int task, int) { eachElement(l, role, task * 16, std::min(task * 16 + 16, units), f); });
}
} // namespace

void Program::read(int block, Role role, Slot slot, float* data) {
  const float* from = layers_[block].tensor[role].slot[slot];
  eachElementShared(team_, layers_[block], role, [&](int64_t theirs, int64_t ours) { data[theirs] = from[ours]; });
}

void Program::write(int block, Role role, Slot slot, const float* data) {
  float* to = layers_[block].tensor[role].slot[slot];
  eachElementShared(team_, layers_[block], role, [&](int64_t theirs, int64_t ours) { to[ours] = data[theirs]; });
  packedValid_ = pairsValid_ = false;
}
