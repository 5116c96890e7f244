/* boot.S - from GRUB's 32 bits to main() in 64, with the registers of AVX-512 and AMX switched on. */
        .set FLAGS, 0
        .section .multiboot, "a"
        .balign 4
        .long 0x1badb002, FLAGS, -(0x1badb002 + FLAGS)

        .section .bss
        .balign 4096
top:    .skip 4096 /* one entry: 512 GB */
giga:   .skip 4096 /* one entry: the first, mapped as it is */
        .skip 1 << 20
stack:

        .section .rodata
        .balign 8
gates:  .quad 0, 0x00209a0000000000, 0x0000920000000000
gdt:    .word 23
        .long gates

        .text
        .code32
        .globl start
start:  cli
        mov $stack, %esp
        movl $giga + 3, top
        movl $0x83, giga
        mov %cr4, %eax
        or $0x40620, %eax /* PAE, OSFXSR, OSXMMEXCPT, OSXSAVE */
        mov %eax, %cr4
        mov $top, %eax
        mov %eax, %cr3
        mov $0xc0000080, %ecx
        rdmsr
        or $0x100, %eax /* long mode */
        wrmsr
        mov %cr0, %eax
        and $~4, %eax
        or $0x80000023, %eax /* paging, the processor's own floating point */
        mov %eax, %cr0
        lgdt gdt
        ljmp $8, $wide
        .code64
wide:   mov $16, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        xor %ecx, %ecx
        xor %edx, %edx
        mov $0x600e7, %eax /* x87, SSE, AVX, AVX-512, tiles */
        xsetbv
        call main
halt:   hlt
        jmp halt
