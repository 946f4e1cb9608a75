#pragma once

#include <cstddef>

/// What both sides of every comparison carry.
namespace bench {

inline constexpr std::size_t payload_bytes = 1024;
/// A stream's message is too little to be an operation of its own.
inline constexpr std::size_t messages_an_operation = 64;

/// What tincan puts around a payload when the method is called "echo" and has a deadline: a header
/// of 16 bytes, and a prologue of 2 + (2 + 4) + (2 + 8) bytes in a call, of 2 in a reply. Its
/// greeting is 16 bytes of text, a header and 64 bytes of fields: docs/wire-format.md. Raw servers
/// that face the same clients move as many bytes.
inline constexpr std::size_t request_bytes = payload_bytes + 34;
inline constexpr std::size_t reply_bytes = payload_bytes + 18;
inline constexpr std::size_t greeting_bytes = 96;

}  // namespace bench
