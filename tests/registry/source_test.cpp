#include "registry/source.h"

#include <sys/stat.h>
#include <sys/un.h>

#include "support.h"

namespace hauberk::registry {
namespace {

class SourceTest : public RegistryTest {
 protected:
  static std::string all_of(SourceReader& reader) {
    std::string content;
    Bytes buffer(3);
    for (;;) {
      const auto count = reader.read(buffer);
      EXPECT_TRUE(count);
      if (!count || *count == 0) return content;
      content += as_text(ByteView(buffer).first(*count));
    }
  }
};

TEST_F(SourceTest, reads_one_file_under_its_own_name) {
  write("some/model.onnx", "weights");
  const auto source = open_source(path("some/model.onnx"));
  ASSERT_TRUE(source);
  ASSERT_EQ((*source)->items().size(), 1u);
  EXPECT_EQ((*source)->items()[0].path, "model.onnx");
  EXPECT_EQ((*source)->items()[0].size, 7u);
  EXPECT_EQ((*source)->origin(), "model.onnx");
  for (int twice = 0; twice < 2; ++twice) EXPECT_EQ(all_of(**(*source)->open((*source)->items()[0])), "weights");
}

TEST_F(SourceTest, reads_a_folder_sorted_by_path) {
  write("m/b.txt", "b");
  write("m/a/z.bin", "z");
  write("m/a-b", "ab");
  const auto source = open_source(path("m/"));
  ASSERT_TRUE(source) << source.error().text();
  EXPECT_EQ((*source)->origin(), "m");
  std::string seen;
  for (const auto& item : (*source)->items()) seen += item.path + "=" + all_of(**(*source)->open(item)) + " ";
  EXPECT_EQ(seen, "a-b=ab a/z.bin=z b.txt=b ");
}

TEST_F(SourceTest, refuses_links_wherever_they_are) {
  write("secret", "secret");
  write("m/a", "a");
  ASSERT_EQ(::symlink(path("secret").c_str(), path("m/link").c_str()), 0);
  ASSERT_EQ(::symlink(path("m").c_str(), path("to_m").c_str()), 0);
  EXPECT_EQ(open_source(path("m")).error().code, Errc::invalid);
  EXPECT_EQ(open_source(path("m/link")).error().code, Errc::invalid);
  EXPECT_EQ(open_source(path("to_m")).error().code, Errc::invalid);
}

TEST_F(SourceTest, refuses_a_link_that_was_put_there_after_the_listing) {
  write("secret/model", "secret");
  write("m/sub/model", "weights");
  write("m/file", "weights");
  const auto source = open_source(path("m"));
  ASSERT_TRUE(source);
  std::filesystem::remove(path("m/file"));
  ASSERT_EQ(::symlink(path("secret/model").c_str(), path("m/file").c_str()), 0);
  std::filesystem::rename(path("m/sub"), path("old"));
  ASSERT_EQ(::symlink(path("secret").c_str(), path("m/sub").c_str()), 0);
  for (const auto& item : (*source)->items()) EXPECT_EQ((*source)->open(item).error().code, Errc::invalid) << item.path;
}

TEST_F(SourceTest, refuses_what_is_no_file_without_waiting_for_it) {
  write("m/a", "a");
  ASSERT_EQ(::mkfifo(path("m/pipe").c_str(), 0600), 0);
  EXPECT_EQ(open_source(path("m")).error().code, Errc::invalid);
  EXPECT_EQ(open_source(path("m/pipe")).error().code, Errc::invalid);
  EXPECT_EQ(open_source("/dev/null").error().code, Errc::invalid);
}

TEST_F(SourceTest, refuses_names_that_a_manifest_cannot_hold) {
  write("m/bad\nname", "a");
  const auto source = open_source(path("m"));
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::invalid);
  EXPECT_EQ(source.error().text().find('\n'), std::string::npos);
}

TEST_F(SourceTest, refuses_the_empty_the_missing_and_the_too_many) {
  std::filesystem::create_directories(path("empty/sub"));
  EXPECT_EQ(open_source(path("empty")).error().code, Errc::invalid);
  EXPECT_EQ(open_source(path("missing")).error().code, Errc::not_found);
  for (const std::string name : {"m/1", "m/2", "m/3"}) write(name, "x");
  EXPECT_TRUE(open_source(path("m"), 3));
  EXPECT_EQ(open_source(path("m"), 2).error().code, Errc::exhausted);
}

TEST_F(SourceTest, refuses_folders_nested_without_end) {
  std::string deep = "m";
  for (int i = 0; i < 40; ++i) deep += "/d";
  write(deep + "/file", "x");
  EXPECT_EQ(open_source(path("m")).error().code, Errc::invalid);
}

}  // namespace
}  // namespace hauberk::registry
