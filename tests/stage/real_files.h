/*
 * real_files - node/world_real.c's files on a disk in memory: while one of them runs, its system calls end there.
 *
 * Link with the --wrap options of tests/CMakeLists.txt.
 */
#pragma once
#include "tests/disk/disk.h"

/* As disk_files: the world's `self` points to a struct that begins with a `struct disk *`. */
const struct files *real_files(void);
