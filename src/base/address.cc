#include "tincan/address.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "tincan/limits.h"

namespace tincan {

namespace {

/// "unix" of "unix:/x"; empty for what can only be a path: "./a:b", "/a:b", "plain", "A:b".
std::string_view scheme_of(std::string_view text) {
  const std::size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+.-");
  const bool is_scheme = end != std::string_view::npos && end > 0 && text[end] == ':' &&
                         text[0] >= 'a' && text[0] <= 'z';
  return is_scheme ? text.substr(0, end) : std::string_view();
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::optional<Address::Kind> kind_of(std::string_view scheme) {
  if (scheme.empty() || scheme == "unix") return Address::Kind::path;
  if (scheme == "unix-abstract") return Address::Kind::abstract;
  if (scheme == "fd") return Address::Kind::descriptor;
  if (scheme == "systemd") return Address::Kind::systemd;
  if (scheme == "exec") return Address::Kind::exec;
  return std::nullopt;
}

/// -1 unless `text` is a number and nothing else.
int number_of(std::string_view text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 0 ? number : -1;
}

/// What is wrong with the part behind the scheme; empty when nothing is.
std::string fault_in(Address::Kind kind, std::string_view rest) {
  const auto longer_than = [&](std::size_t bytes_max) {
    return rest.size() <= bytes_max ? std::string()
                                    : "has " + std::to_string(rest.size()) +
                                          " bytes; Linux takes " + std::to_string(bytes_max);
  };
  switch (kind) {
    case Address::Kind::path:
      return rest.empty() ? "needs a path" : longer_than(limits::path_bytes_max);
    case Address::Kind::abstract:
      return rest.empty() ? "needs a name" : longer_than(limits::sun_path_bytes_max);
    case Address::Kind::descriptor:
      return number_of(rest) < 0 ? "needs the number of a descriptor, as in fd:3" : "";
    case Address::Kind::systemd:
      return rest.find(':') != std::string_view::npos ? "has a colon in its name" : "";
    case Address::Kind::exec:
      return words_of(rest).empty() ? "needs a program" : "";
  }
  return {};
}

std::unexpected<Failure> usage(std::string detail) {
  return std::unexpected(Failure(Cause::usage, std::move(detail)));
}

}  // namespace

Result<Address> Address::parse(std::string_view text) {
  if (text.empty()) return usage("the address is empty");
  const std::string quoted = "the address \"" + std::string(text) + "\" ";
  if (text.find('\0') != std::string_view::npos) return usage("the address contains a NUL byte");
  const std::string_view scheme = scheme_of(text);
  const auto kind = kind_of(scheme);
  if (!kind) {
    return usage(quoted + "has an unknown scheme; for a file of that name write ./" +
                 std::string(text));
  }
  const std::string_view rest = scheme.empty() ? text : text.substr(scheme.size() + 1);
  if (const std::string fault = fault_in(*kind, rest); !fault.empty()) return usage(quoted + fault);

  Address address;
  address.kind_ = *kind;
  if (*kind == Kind::descriptor) {
    address.descriptor_ = number_of(rest);
  } else if (*kind == Kind::exec) {
    address.arguments_ = words_of(rest);
  } else {
    address.name_ = rest;
  }
  return address;
}

std::string Address::text() const {
  switch (kind_) {
    case Kind::path:
      return scheme_of(name_).empty() ? name_ : "unix:" + name_;
    case Kind::abstract:
      return "unix-abstract:" + name_;
    case Kind::descriptor:
      return "fd:" + std::to_string(descriptor_);
    case Kind::systemd:
      return "systemd:" + name_;
    case Kind::exec: {
      std::string words;
      for (const std::string& word : arguments_) words += (words.empty() ? "" : " ") + word;
      return "exec:" + words;
    }
  }
  return {};
}

}  // namespace tincan
