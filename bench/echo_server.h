#pragma once

#include <functional>
#include <string>

namespace bench {

/// Serves "echo", which answers with its request, at `path` until it is killed.
[[noreturn]] void run_echo_server(const std::string& path, const std::function<void()>& ready);

}  // namespace bench
