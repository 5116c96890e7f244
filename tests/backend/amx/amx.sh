#!/bin/sh
# int8_amx.c on an emulated Sapphire Rapids without an operating system (Linux wants a feature of AMX processors
# that Bochs lacks). Needs Bochs 3, grub-mkrescue with grub-pc-bin, xorriso and mtools, and script; without them, and
# where Bochs multiplies tiles wrongly as 3.1 does, it says so and exits 77: skipped, not passed.
# Usage: amx.sh SOURCE_DIR WORK_DIR [BOCHS]
set -eu
source=$1 work=$2 bochs=${3:-bochs}
for tool in "$bochs" grub-mkrescue xorriso script; do
    command -v "$tool" > /dev/null || { echo "amx: no $tool"; exit 77; }
done
mkdir -p "$work/disc/boot/grub"
flags="-std=gnu11 -O2 -I$source/engine -ffreestanding -fno-tree-loop-distribute-patterns -fno-pic -fno-pie
       -mno-red-zone -fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
       -ffp-contract=off -Wall -Wextra -Werror"
here=$source/tests/backend/amx objects=
for file in "$source"/engine/backend/cpu/int8_amx.c "$source"/engine/backend/cpu/int8_vnni.c \
            "$source"/engine/format/tensor.c "$here"/main.c "$here"/boot.S; do
    object=$work/$(basename "${file%.*}").o
    gcc $flags -c "$file" -o "$object"
    objects="$objects $object"
done
gcc -static -nostdlib -no-pie -Wl,--gc-sections,--build-id=none,-z,noexecstack,--no-warn-rwx-segments \
    -T "$here/link.ld" $objects -o "$work/disc/boot/amx"
cat > "$work/disc/boot/grub/grub.cfg" << EOF
set timeout=0
menuentry amx { multiboot /boot/amx }
EOF
grub-mkrescue -o "$work/boot.iso" "$work/disc" > "$work/disc.log" 2>&1
cat > "$work/bochsrc" << EOF
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.stdvga.bin
cpu: model=sapphire_rapids, count=1, ips=100000000, reset_on_triple_fault=0
memory: guest=64, host=64
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/said
log: $work/bochs.log
panic: action=fatal
EOF
echo c > "$work/start"
rm -f "$work/said"
TERM=xterm timeout 300 script -q -c "$bochs -q -f $work/bochsrc -rc $work/start" "$work/screen" > /dev/null 2>&1 || true
cat "$work/said"
grep -q '^amx: passed' "$work/said" && exit 0
grep -q '^amx: not judged' "$work/said" && exit 77
exit 1
