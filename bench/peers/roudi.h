#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

/// Starts RouDi, the daemon that iceoryx needs, beside this process, with so much shared memory. It
/// ends when this process does, and what it has made is removed then, with what processes of
/// iceoryx leave whose names begin with `runtimes`. There can be only one: throws
/// std::runtime_error when another one stays. To be called before there are threads.
void start_roudi(std::uint32_t chunk_bytes, std::uint32_t chunks, const std::string& runtimes);

}  // namespace bench
