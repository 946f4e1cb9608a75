#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tincan {

/// `text` from a peer as it may be put into a log or on a terminal: at most `bytes_max` of it, each
/// control character replaced by a dot.
[[nodiscard]] inline std::string printable(std::string_view text, std::size_t bytes_max) {
  std::string result(text.substr(0, bytes_max));
  for (char& character : result) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte == 0x7F) character = '.';
  }
  if (text.size() > bytes_max) result += "…";
  return result;
}

}  // namespace tincan
