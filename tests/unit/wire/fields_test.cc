#include "wire/fields.h"

#include <gtest/gtest.h>

#include "unit/wire/frames.h"

namespace tincan::wire {
namespace {

using test::Bytes;

TEST(Fields, ComeBackAsWritten) {
  Bytes bytes;
  Writer writer(bytes);
  writer.field(1, std::string_view("name"));
  writer.field(2, std::uint32_t{0x04030201});
  writer.field(3, std::string_view());
  FieldReader reader(bytes);
  auto field = reader.next();
  ASSERT_TRUE(field);
  EXPECT_EQ(field->tag, 1);
  EXPECT_EQ(field->text(), "name");
  field = reader.next();
  ASSERT_TRUE(field);
  EXPECT_EQ(field->as<std::uint32_t>(), 0x04030201u);
  EXPECT_FALSE(field->as<std::uint16_t>());
  EXPECT_FALSE(field->as<std::uint64_t>());
  field = reader.next();
  ASSERT_TRUE(field);
  EXPECT_TRUE(field->value.empty());
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.whole());
}

TEST(Fields, OfTheLongestValueFillTheirLengthByte) {
  Bytes bytes;
  Writer(bytes).field(9, test::pattern(255));
  FieldReader reader(bytes);
  const auto field = reader.next();
  ASSERT_TRUE(field);
  EXPECT_EQ(field->text(), test::pattern(255));
  EXPECT_TRUE(reader.whole());
}

TEST(Fields, CutShortAreNotWholeAtAnyLength) {
  Bytes bytes;
  Writer(bytes).field(1, std::string_view("value"));
  for (std::size_t length = 1; length < bytes.size(); ++length) {
    FieldReader reader{std::span(bytes).first(length)};
    EXPECT_FALSE(reader.next()) << length;
    EXPECT_FALSE(reader.whole()) << length;
  }
}

TEST(Fields, OfNothingAreWhole) {
  FieldReader reader({});
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.whole());
}

}  // namespace
}  // namespace tincan::wire
