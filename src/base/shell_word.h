#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace tincan {

/// `text` as one word of a POSIX shell's command line: quoted, unless that changes nothing.
[[nodiscard]] inline std::string shell_word(std::string_view text) {
  const auto is_plain = [](char character) {
    const bool letter_or_digit = (character >= 'a' && character <= 'z') ||
                                 (character >= 'A' && character <= 'Z') ||
                                 (character >= '0' && character <= '9');
    return letter_or_digit || std::string_view("/.:_-+,@%").contains(character);
  };
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string word = "'";
  for (const char character : text) {
    if (character == '\'') {
      word += "'\\''";
    } else {
      word += character;
    }
  }
  return word + "'";
}

}  // namespace tincan
