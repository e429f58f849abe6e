// SPDX-License-Identifier: Apache-2.0
#pragma once

// The commands that need no running controller: argv[0] is the command's name. Exit status.
//   bootstrap [--dir DIR] [--name NAME]...   CA, certificates, controller.json
//   token [--dir DIR]                        prints a new enrolment token
int bootstrap_main(int argc, char **argv);
int token_main(int argc, char **argv);
