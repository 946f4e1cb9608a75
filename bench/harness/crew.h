#pragma once

#include <barrier>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "harness/samples.h"

namespace bench {

/// Threads that stay alive between rounds and share the operations of each.
class Crew {
 public:
  /// `work` does `operations` operations as the thread `index`, with its own samples.
  using Work = std::function<void(std::size_t index, std::size_t operations, Samples& samples)>;
  Crew(std::size_t threads, Work work);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  /// Does at least `operations`, an equal part in each thread; `samples` gets those of all.
  void round(std::size_t operations, Samples& samples);

 private:
  void run(std::size_t index);

  const Work work_;
  std::size_t share_ = 0;  ///< Of each thread; 0 ends them.
  std::barrier<> start_;
  std::barrier<> finish_;
  std::vector<Samples> samples_;
  std::vector<std::thread> threads_;
};

}  // namespace bench
