#include "core/artifact.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hauberk {
namespace {

Manifest two_files() {
  return {ArtifactKind::model,
          {{"config.json", 12, crypto::sha256(as_bytes("config"))},
           {"weights/model.onnx", 3'000'000'000, crypto::sha256(as_bytes("weights"))}}};
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

TEST(Manifest, is_named_by_the_digest_of_its_canonical_spelling) {
  const Manifest small{ArtifactKind::prompt, {{"a", 1, Digest{}}}};
  EXPECT_EQ(small.canonical(),
            R"({"type":"https://hauberk.dev/manifest/v1","kind":"prompt","files":[{"path":"a","size":1,)"
            R"("sha256":"0000000000000000000000000000000000000000000000000000000000000000"}]})");
  EXPECT_EQ(small.digest(), crypto::sha256(as_bytes(small.canonical())));
}

TEST(Manifest, comes_back_as_it_was_written) {
  const auto manifest = two_files();
  EXPECT_EQ(Manifest::parse(manifest.canonical()), manifest);
  EXPECT_EQ(manifest.total_size(), 3'000'000'012u);
}

TEST(Manifest, refuses_every_spelling_but_the_canonical_one) {
  const auto text = two_files().canonical();
  const auto digest = two_files().files[0].digest.hex();
  auto upper = digest;
  std::ranges::transform(upper, upper.begin(), [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
  const std::string bad[] = {
      " " + text,
      text + "\n",
      replaced(text, R"("kind":"model")", R"("kind":"model","extra":1)"),
      replaced(text, R"("kind":"model")", R"("kind":"weights")"),
      replaced(text, "manifest/v1", "manifest/v2"),
      replaced(text, R"("size":12)", R"("size":12.0)"),
      replaced(text, R"("size":12)", R"("size":-12)"),
      replaced(text, R"("size":12)", R"("size":"12")"),
      replaced(text, R"("config.json")", R"("confi\u0067.json")"),
      replaced(text, digest, upper),
      replaced(text, digest, "sha256:" + digest),
      replaced(text, digest, "00"),
      replaced(text, "config.json", "x/../config.json"),
      replaced(text, "config.json", "zzz"),                 // unsorted
      replaced(text, "config.json", "weights/model.onnx"),  // twice
      replaced(text, "config.json", "weights"),             // a file that is also a folder
      R"({"type":"https://hauberk.dev/manifest/v1","kind":"model","files":[]})",
      R"({"type":"https://hauberk.dev/manifest/v1","kind":"model"})",
      "[]",
      "",
  };
  for (const auto& spelling : bad) EXPECT_FALSE(Manifest::parse(spelling)) << spelling;
}

TEST(Manifest, finds_a_folder_that_is_a_file_also_where_another_name_sorts_between) {
  Manifest manifest{ArtifactKind::model, {{"a", 1, {}}, {"a-b", 1, {}}, {"a/b", 1, {}}}};
  EXPECT_FALSE(Manifest::parse(manifest.canonical()));
  manifest.files.erase(manifest.files.begin());
  EXPECT_TRUE(Manifest::parse(manifest.canonical()));
}

TEST(Manifest, total_size_does_not_wrap_around) {
  const Manifest manifest{ArtifactKind::model, {{"a", UINT64_MAX, {}}, {"b", 2, {}}}};
  EXPECT_EQ(manifest.total_size(), UINT64_MAX);
}

TEST(RelativePath, accepts_what_every_file_system_can_hold) {
  for (const std::string_view path :
       {"model.onnx", "a/b/c", "weights v2.bin", "модель.pt", "…", "-rf", ".hidden", "a..b", "..."})
    EXPECT_TRUE(check_relative_path(path)) << path;
}

TEST(RelativePath, refuses_what_leads_out_or_deceives) {
  using std::string_view_literals::operator""sv;
  const std::string long_part(256, 'a');
  std::string long_path = "a";
  while (long_path.size() <= 1024) long_path += "/a";
  const std::string_view bad[] = {"",
                                  "/etc/passwd",
                                  "..",
                                  "../x",
                                  "a/../b",
                                  "a/..",
                                  ".",
                                  "a/./b",
                                  "a//b",
                                  "a/",
                                  "/",
                                  "a\\b",
                                  "C:\\x",
                                  "a\0b"sv,
                                  "a\nb",
                                  "a\x7f",
                                  "\x1b[2J",
                                  "a\xff",
                                  "\xc0\xaf",
                                  "\xed\xa0\x80",
                                  "\xf4\x90\x80\x80",
                                  "\xe2\x80",
                                  "\xf0\x80\x80\xaf",
                                  long_part,
                                  long_path};
  for (const auto path : bad) EXPECT_FALSE(check_relative_path(path)) << path;
}

TEST(VersionRef, reads_a_name_with_or_without_a_number) {
  EXPECT_EQ(VersionRef::parse("magika"), (VersionRef{"magika", 0}));
  EXPECT_EQ(VersionRef::parse("magika@12"), (VersionRef{"magika", 12}));
  EXPECT_EQ(VersionRef::parse("a-b_c.9@4294967295"), (VersionRef{"a-b_c.9", 4294967295}));
  EXPECT_EQ((VersionRef{"magika", 12}).text(), "magika@12");
  EXPECT_EQ((VersionRef{"magika", 0}).text(), "magika");
}

TEST(VersionRef, refuses_second_spellings_and_bad_names) {
  for (const std::string bad : {"", "@1", "m@", "m@0", "m@01", "m@-1", "m@+1", "m@1 ", "m@1@2", "m@x", "m@4294967296",
                                "M", "-m", ".m", "_m", "m/n", "m n", "ü"})
    EXPECT_FALSE(VersionRef::parse(bad)) << bad;
  EXPECT_TRUE(check_name(std::string(64, 'a')));
  EXPECT_FALSE(check_name(std::string(65, 'a')));
}

TEST(ArtifactKind, round_trips_by_name) {
  for (const auto kind :
       {ArtifactKind::model, ArtifactKind::dataset, ArtifactKind::prompt, ArtifactKind::run_log, ArtifactKind::policy})
    EXPECT_EQ(parse_artifact_kind(name(kind)), kind);
  EXPECT_FALSE(parse_artifact_kind("Model"));
}

}  // namespace
}  // namespace hauberk
