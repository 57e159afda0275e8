# SPDX-License-Identifier: GPL-2.0-or-later
#
# The front door; meson and ninja do the building (meson.build).
.DEFAULT_GOAL := help
.PHONY: help setup build run check check-hostile campaign fuzz bench format lint clean tcb lines

help:
	@echo 'make run     install what is missing, build, boot: a shell, or a tour without a terminal'
	@echo 'make check   the same set-up, then all tests'
	@echo 'make check-hostile  only the hostile drivers, with a table of what they got'
	@echo 'make campaign [KILLS=N] [FAULTS=N] [DEEDS=N] [SEED=S] [FILTER=one|mirror] [DRIVER=nvme|ahci|virtio-blk] [JOBS=N] [RESULTS=FILE]'
	@echo '              kill and damage a driver under load, by the thousand; goes on where FILE ends'
	@echo 'make fuzz    libFuzzer on parsers, servers and the block class, a minute each'
	@echo 'make bench [ONLY=PATTERN]  measure, write bench/results.json, draw and tabulate it, name what misses a goal'
	@echo 'make tcb     count the lines that confinement rests on'
	@echo 'make lines   count the lines of each driver'
	@echo 'make format  clang-format on everything'
	@echo 'make lint    cppcheck and formatting, without a change'
	@echo 'make clean   remove what was built, but not what was fetched'
	@echo './obvm       boot the machine as you like it: ./obvm --help'

setup:
	@boot/setup

build: setup
	@boot/compile

build/disk.img: boot/make-disk | setup
	@boot/make-disk build/disk.img build/disk.sha256

run: build build/disk.img
	@if [ -t 0 ]; then \
	    cp --sparse=always build/disk.img build/run.img && \
	    echo 'The disk is nvme0n1: mount nvme0n1. Control-] ends the machine.' && \
	    ./obvm --disk nvme:build/run.img; \
	else \
	    test/tour; \
	fi

check: build build/disk.img
	@test/run

check-hostile: build
	@test/hostile-table

campaign: build
	@test/campaign/run $(FILTER:%=--filter %) $(DRIVER:%=--driver %) $(KILLS:%=--kills %) $(FAULTS:%=--faults %) $(DEEDS:%=--deeds %) $(SEED:%=--seed %) \
	    $(JOBS:%=--jobs %) $(RESULTS:%=--results %)

fuzz: build
	@boot/setup tools
	@test/fuzz/run

bench: build
	@boot/setup bench
	@bench/run $(ONLY:%=--only '%')
	@bench/plot
	@bench/tables

tcb:
	@test/tcb

lines:
	@test/lines

format:
	@boot/setup tools
	@git ls-files '*.c' '*.h' | xargs clang-format -i

lint:
	@boot/setup tools
	@test/lint

clean:
	@if [ -f build/build.ninja ]; then ninja -C build --quiet clean; fi
	@rm -f build/disk.img build/disk.sha256 build/run.img build/last.log
