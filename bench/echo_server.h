#pragma once

#include <tincan/options.h>

#include <chrono>
#include <functional>
#include <string>

namespace bench {

/// Serves "echo", which works for so long and answers with its request, at `path` until it is
/// killed.
[[noreturn]] void run_echo_server(const std::string& path, const std::function<void()>& ready,
                                  tincan::Waiting waiting = tincan::Waiting::adaptive,
                                  std::chrono::nanoseconds work = {});

}  // namespace bench
