#include "app/command.h"

int main(int argc, char** argv) { return hauberk::app::run_program(argc, argv); }
