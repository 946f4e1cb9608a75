#include "path/socket_name.h"

#include <cstdint>
#include <cstdio>

#include "os/file.h"
#include "tincan/limits.h"

namespace tincan::path {

namespace {

std::string through(const Descriptor& descriptor) {
  return "/proc/self/fd/" + std::to_string(descriptor.get());
}

/// FNV-1a: the same in every build, which std::hash does not promise.
std::uint64_t hash_of(const std::string& name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : name) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

std::string temporary_name(const Place& place) {
  // Beside "/proc/self/fd/2147483647/" this much is left for a name.
  constexpr std::size_t name_bytes_max = limits::sun_path_bytes_max - 25;
  std::string name = "." + place.name + ".new";
  if (name.size() <= name_bytes_max) return name;
  char brief[32];
  std::snprintf(brief, sizeof brief, ".%016llx.new",
                static_cast<unsigned long long>(hash_of(place.name)));
  return brief;
}

os::SocketAddress temporary_address(const Place& place) {
  return os::SocketAddress::of_path(through(place.directory) + "/" + temporary_name(place));
}

std::optional<os::SocketAddress> temporary_address_by_text(const Place& place) {
  const int anywhere = place.directory.get();  // for an absolute path
  if (os::status_at(anywhere, through(place.directory))) return std::nullopt;
  const std::string text = place.directory_text + "/" + temporary_name(place);
  if (text.size() > limits::sun_path_bytes_max) return std::nullopt;
  return os::SocketAddress::of_path(text);
}

os::Sys<Target> target(const std::string& path, int directory, const std::string& name) {
  if (path.size() <= limits::sun_path_bytes_max) {
    return Target{os::SocketAddress::of_path(path), {}};
  }
  auto file = os::open_path_at(directory, name);
  if (!file) return std::unexpected(file.error());
  const auto address = os::SocketAddress::of_path(through(*file));
  return Target{address, std::move(*file)};
}

}  // namespace tincan::path
