#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "unit/wire/frames.h"

namespace tincan::wire {
namespace {

using test::Bytes;

Prologue any_prologue(const std::string& method) {
  Prologue prologue;
  prologue.method = method;
  if (*rc::gen::arbitrary<bool>()) prologue.method_number = *rc::gen::arbitrary<std::uint16_t>();
  if (*rc::gen::arbitrary<bool>()) prologue.deadline = *rc::gen::arbitrary<std::int64_t>();
  if (*rc::gen::arbitrary<bool>()) prologue.cpu = *rc::gen::arbitrary<std::uint32_t>();
  if (*rc::gen::arbitrary<bool>()) prologue.payload_bytes = *rc::gen::arbitrary<std::uint64_t>();
  prologue.idempotent = *rc::gen::arbitrary<bool>();
  return prologue;
}

RC_GTEST_PROP(Codec, BringsEveryPrologueBack, (std::string method, std::string payload)) {
  RC_PRE(method.size() <= limits::method_bytes_max);
  const Prologue prologue = any_prologue(method);
  const Bytes body = test::first_body(prologue, payload);
  std::span<const std::byte> rest;
  const auto back = test::prologue_of(body, rest);
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->method == method);
  RC_ASSERT(back->method_number == prologue.method_number);
  RC_ASSERT(back->deadline == prologue.deadline);
  RC_ASSERT(back->cpu == prologue.cpu);
  RC_ASSERT(back->payload_bytes == prologue.payload_bytes);
  RC_ASSERT(back->idempotent == prologue.idempotent);
  RC_ASSERT(test::text_of(rest) == payload);
}

RC_GTEST_PROP(Codec, BringsEveryErrorBack,
              (std::uint64_t id, std::int32_t code, std::string text)) {
  const auto reason = static_cast<Reason>(*rc::gen::inRange<std::uint16_t>(1, 13));
  const Bytes bytes = test::error(id, {.reason = reason, .code = code, .text = text});
  const auto frames = test::frames_of(bytes);
  RC_ASSERT(frames.size() == 1u);
  RC_ASSERT(frames[0].header.id == id);
  const auto error = decode_error(frames[0].body);
  RC_ASSERT(error.has_value());
  RC_ASSERT(error->reason == reason && error->code == code && error->text == text);
}

RC_GTEST_PROP(Codec, NeverTakesMoreThanThereIs, (std::vector<std::uint8_t> input)) {
  const auto bytes = std::as_bytes(std::span(input));
  const Parsed parsed = parse_frame(bytes);
  if (parsed.state == Parsed::State::whole) {
    RC_ASSERT(sizeof(FrameHeader) + parsed.frame.body.size() <= bytes.size());
  }
  std::span<const std::byte> payload;
  if (test::prologue_of(bytes, payload)) RC_ASSERT(payload.size() + 2 <= bytes.size());
  RC_ASSERT(decode_error(bytes).has_value() == (bytes.size() >= 8));
}

}  // namespace
}  // namespace tincan::wire
