// Tar archives are built here header by header, because the ones that matter are those that no library would write.
#include <gtest/gtest.h>

#include <algorithm>

#include "scan/container_image.h"
#include "scan/test_support.h"

namespace hauberk::scan {
namespace {

const std::string tar_harmless = "\x80\x02}X\x01" + std::string(3, '\0') + "wK\x01s.";
const std::string tar_harmful = "cos\nsystem\n(S'id'\ntR.";
const std::string tar_end(1024, '\0');

struct TarMember {
  std::string name, content = {};
  char type = '0';
  std::string link = {};
  std::string size = {};  // if the header says another one, in octal
};

std::string tar(const TarMember& m) {
  std::string header(512, '\0');
  header.replace(0, m.name.size(), m.name);
  char size[13];
  std::snprintf(size, sizeof size, "%011o", static_cast<unsigned>(m.content.size()));
  header.replace(124, 11, m.size.empty() ? std::string(size) : m.size + std::string(11 - m.size.size(), '\0'));
  header[156] = m.type;
  header.replace(157, m.link.size(), m.link);
  header.replace(257, 5, "ustar");
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(header.data() + 148, 8, "%06o", sum);
  return header + m.content + std::string((512 - m.content.size() % 512) % 512, '\0');
}

std::string pax(const std::string& key, const std::string& value) {
  std::string record = " " + key + "=" + value + "\n";
  const auto length = record.size() + 2 + (record.size() + 2 > 99 ? 1 : 0);
  return std::to_string(length) + record;
}

Report tar_scan(const std::string& data, bool layer = false) {
  return scan_bytes(data, "m.tar", {.image_layer = layer});
}

TEST(Tar, pytorchs_oldest_form_is_for_review_and_its_pickles_are_read) {
  const std::string rest = tar({"storages", tar_harmless}) + tar({"tensors", tar_harmless}) + tar_end;
  const auto report = tar_scan(tar({"sys_info", tar_harmless}) + tar({"pickle", tar_harmless}) + rest);
  EXPECT_EQ(report.format, "torch-tar");
  EXPECT_EQ(report.verdict, ScanVerdict::review);
  EXPECT_EQ(tar_scan(tar({"sys_info", tar_harmless}) + tar({"pickle", tar_harmful}) + rest).verdict,
            ScanVerdict::malicious);
}

TEST(Tar, what_leads_out_is_malicious_however_it_is_said) {
  for (const auto& data :
       {tar({"x", "", '2', "../../etc/passwd"}), tar({"a/x", "", '2', "../../y"}), tar({"a/x", "", '1', "../y"}),
        tar({"../x", tar_harmless}), tar({"a/../../x", "", '5'}), tar({"..\\..\\x", tar_harmless}),
        tar({"C:\\x", tar_harmless}), tar({"x", pax("path", "../../x"), 'x'}) + tar({"x", tar_harmless}),
        tar({"x", pax("path", "/x"), 'g'}) + tar({"x", tar_harmless}),
        tar({"x", pax("linkpath", "/etc/passwd"), 'x'}) + tar({"x", "", '2', "y"}),
        tar({"@", std::string("../../x\0", 8), 'L'}) + tar({"x", tar_harmless}),
        tar({"@", std::string("/etc/passwd\0", 12), 'K'}) + tar({"x", "", '2', "y"})})
    EXPECT_EQ(tar_scan(data + tar_end).verdict, ScanVerdict::malicious) << data.substr(0, 100);
  EXPECT_EQ(tar_scan(tar({"a/x", "", '2', "../y"}) + tar_end).verdict, ScanVerdict::review);
  EXPECT_EQ(tar_scan(tar({"./a/x", tar_harmless}) + tar_end).verdict, ScanVerdict::clean);
}

TEST(Tar, members_are_where_readers_find_them) {
  // Sizes out of extended headers, cut at zero bytes, and without meaning for links.
  EXPECT_EQ(tar_scan(tar({"x", pax("size", "0"), 'x'}) + tar({"a", tar({"evil.pkl", tar_harmful})}) + tar_end).verdict,
            ScanVerdict::malicious);
  const std::string zero_first("0\0001000", 6);
  EXPECT_EQ(tar_scan(tar({"a", "", '0', "", zero_first}) + tar({"evil.pkl", tar_harmful}) + tar_end).verdict,
            ScanVerdict::malicious);
  EXPECT_EQ(tar_scan(tar({"a", "", '2', "b", "2000"}) + tar({"evil.pkl", tar_harmful}) + tar_end).verdict,
            ScanVerdict::malicious);
  EXPECT_EQ(tar_scan(tar({"a", "", '0', "", "8"}) + tar_end).verdict, ScanVerdict::malformed);
  auto torn = tar({"a", tar_harmless});
  torn[0] = 'b';
  EXPECT_EQ(tar_scan(torn + tar({"evil.pkl", tar_harmful}) + tar_end).verdict, ScanVerdict::malicious);
  EXPECT_EQ(tar_scan(torn + tar_end).verdict, ScanVerdict::malformed);
}

TEST(Tar, what_follows_the_end_is_told_and_looked_at) {
  const auto fine = tar({"a", tar_harmless}) + tar_end;
  EXPECT_EQ(tar_scan(fine + std::string(9000, '\0')).verdict, ScanVerdict::clean);
  EXPECT_TRUE(has_rule(tar_scan(fine + "x"), "tar.trailing-bytes"));
  EXPECT_EQ(tar_scan(fine + tar({"evil.pkl", tar_harmful}) + tar_end).verdict, ScanVerdict::malicious);
  EXPECT_EQ(tar_scan(tar({"x", "9 pa", 'x'}) + fine).verdict, ScanVerdict::malformed);
  EXPECT_EQ(tar_scan(tar({"x", pax("GNU.sparse.major", "1"), 'x'}) + fine).verdict, ScanVerdict::inconclusive);
}

const std::string program = "#!/bin/sh\nls\n";

std::string layer_with(const std::string& more) {
  return tar({"bin/x", program}) + tar({"etc/alternatives/y", "", '2', "/bin/x"}) + tar({"dev/z", "", '3'}) +
         tar({"usr/lib/a.py", "import os\nos.system('ls')\n"}) + tar({"usr/share/b.gz", "\x1f\x8b broken"}) + more +
         tar_end;
}

std::string docker_save(const std::string& layer, const std::string& named = "l/layer.tar") {
  return tar({"l/layer.tar", layer}) + tar({"c.json", "{}"}) +
         tar({"manifest.json", R"([{"Config": "c.json", "RepoTags": ["x"], "Layers": [")" + named + "\"]}]"}) + tar_end;
}

TEST(ContainerImage, layers_are_searched_for_models_and_nothing_else) {
  const auto clean = tar_scan(docker_save(layer_with(tar({"models/m.pkl", tar_harmless}))));
  EXPECT_EQ(clean.verdict, ScanVerdict::clean);
  EXPECT_EQ(clean.format, "container-image");
  EXPECT_EQ(tar_scan(docker_save(layer_with(tar({"models/m.pkl", tar_harmful})))).verdict, ScanVerdict::malicious);
  EXPECT_EQ(tar_scan(docker_save(layer_with(tar({"models/weights", tar_harmful})))).verdict, ScanVerdict::malicious);
  EXPECT_EQ(tar_scan(docker_save(layer_with(tar({"models/m.pkl", tar_harmless.substr(0, 5)})))).verdict,
            ScanVerdict::malformed);
  EXPECT_EQ(tar_scan(layer_with(""), true).verdict, ScanVerdict::clean);
}

TEST(ContainerImage, what_no_manifest_names_is_no_layer) {
  EXPECT_NE(tar_scan(docker_save(layer_with(""), "other/layer.tar")).verdict, ScanVerdict::clean);
  EXPECT_NE(tar_scan(tar({"l/layer.tar", layer_with("")}) + tar_end).verdict, ScanVerdict::clean);
  EXPECT_NE(tar_scan(layer_with("")).verdict, ScanVerdict::clean);
}

TEST(ContainerImage, layouts_name_layers_through_indexes_and_manifests) {
  const std::string a(64, 'a'), b(64, 'b'), c(64, 'c'), d(64, 'd');
  const std::map<std::string, std::string> files = {
      {"index.json", R"({"manifests": [{"digest": "sha256:)" + a + R"("}, {"digest": "sha256:../../x"}]})"},
      {"blobs/sha256/" + a, R"({"manifests": [{"digest": "sha256:)" + b + R"("}, {"digest": "sha256:)" + a + R"("}]})"},
      {"blobs/sha256/" + b,
       R"({"config": {"mediaType": "application/vnd.oci.image.config.v1+json"}, "layers": [
          {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:)" +
           c + R"("},
          {"mediaType": "application/vnd.cncf.model.weight.v1.tar", "digest": "sha256:)" +
           d + R"("}]})"}};
  const auto layers = image_layers([&](const std::string& path) {
    const auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  });
  EXPECT_EQ(layers, (std::set<std::string>{"blobs/sha256/" + c}));
}

}  // namespace
}  // namespace hauberk::scan
