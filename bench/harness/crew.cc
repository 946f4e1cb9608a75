#include "harness/crew.h"

#include <utility>

namespace bench {

Crew::Crew(std::size_t threads, Work work)
    : work_(std::move(work)),
      start_(static_cast<std::ptrdiff_t>(threads) + 1),
      finish_(static_cast<std::ptrdiff_t>(threads) + 1) {
  static constexpr std::size_t share_max = 1 << 14;
  for (std::size_t i = 0; i < threads; ++i) samples_.emplace_back(share_max);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this, i] { run(i); });
}

Crew::~Crew() {
  share_ = 0;
  start_.arrive_and_wait();
  for (std::thread& thread : threads_) thread.join();
}

void Crew::round(std::size_t operations, Samples& samples) {
  share_ = (operations + threads_.size() - 1) / threads_.size();
  start_.arrive_and_wait();
  finish_.arrive_and_wait();
  for (Samples& own : samples_) {
    samples.add(own);
    own.clear();
  }
}

void Crew::run(std::size_t index) {
  while (true) {
    start_.arrive_and_wait();
    if (share_ == 0) return;
    samples_[index].begin();
    work_(index, share_, samples_[index]);
    finish_.arrive_and_wait();
  }
}

}  // namespace bench
