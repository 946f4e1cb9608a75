#include "text.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace cli {

namespace {

struct Character {
  std::size_t bytes = 0;  ///< 0: no UTF-8.
  std::uint32_t code = 0;
};

std::uint32_t byte_at(std::string_view text, std::size_t place) {
  return static_cast<unsigned char>(text[place]);
}

/// How long a character is that begins with `lead`, which is no ASCII.
std::size_t character_bytes(std::uint32_t lead) {
  if (lead >= 0xf0) return 4;
  return lead >= 0xe0 ? 3 : 2;
}

/// The first code that needs so many bytes: one below it is overlong.
constexpr std::uint32_t first_code_of[] = {0, 0, 0x80, 0x800, 0x10000};

/// The first character of `text`, which is not empty.
Character first_character(std::string_view text) {
  const std::uint32_t lead = byte_at(text, 0);
  if (lead < 0x80) return {1, lead};
  const std::size_t bytes = character_bytes(lead);
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  std::uint32_t code = lead & (0x7fu >> bytes);
  for (std::size_t place = 1; place < bytes; ++place) {
    const std::uint32_t byte = byte_at(text, place);
    if ((byte & 0xc0) != 0x80) return {};
    code = (code << 6) | (byte & 0x3f);
  }
  const bool overlong = code < first_code_of[bytes];
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (overlong || surrogate || code > 0x10ffff) return {};
  return {bytes, code};
}

/// The explicit formatting characters of Unicode's bidirectional algorithm (UAX #9): with them a
/// name reads as another one.
bool changes_direction(std::uint32_t code) {
  return code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

bool ends_a_line(std::uint32_t code) { return code == '\n' || code == 0x2028 || code == 0x2029; }

bool steers_a_terminal(std::uint32_t code) {
  if (code == '\n' || code == '\t') return false;
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || changes_direction(code);
}

std::string escape_all(std::string_view text, bool line_ends) {
  std::string result;
  while (!text.empty()) {
    const Character character = first_character(text);
    const std::string_view piece = text.substr(0, character.bytes == 0 ? 1 : character.bytes);
    const bool harmless = character.bytes != 0 && !steers_a_terminal(character.code) &&
                          !(line_ends && ends_a_line(character.code));
    if (harmless) {
      result += piece;
    } else {
      for (const char byte : piece) {
        fmt::format_to(std::back_inserter(result), "\\x{:02x}", static_cast<unsigned char>(byte));
      }
    }
    text.remove_prefix(piece.size());
  }
  return result;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.bytes == 0) return false;
    text.remove_prefix(character.bytes);
  }
  return true;
}

std::string escaped(std::string_view text) { return escape_all(text, false); }

std::string escaped_line(std::string_view text) { return escape_all(text, true); }

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string command_line(const std::vector<std::string>& words) {
  // What no shell takes for anything else.
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char letter : word) line += letter == '\'' ? "'\\''" : std::string(1, letter);
    line += '\'';
  }
  return line;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (std::size_t start = 0; start < bytes.size(); start += 3) {
    const std::string_view group = bytes.substr(start, 3);
    std::uint32_t bits = 0;
    for (std::size_t place = 0; place < 3; ++place) {
      bits = (bits << 8) | (place < group.size() ? byte_at(group, place) : 0);
    }
    for (std::size_t place = 0; place < 4; ++place) {
      const std::uint32_t digit = (bits >> (18 - 6 * place)) & 0x3f;
      result += place <= group.size() ? digits[digit] : '=';
    }
  }
  return result;
}

}  // namespace cli
