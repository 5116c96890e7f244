# goals.awk - what the rows of h200.sh's table say of the goals of the CUDA backend, as lines of Markdown.
function share(cell) { sub(/.*\(/, "", cell); return cell + 0 }
function say(what, have, text, holds) { printf "- %s: %s\n", what, !have ? "not measured" : text (holds ? ", holds" : ", **does not hold**") }
BEGIN { FS = "|" }
$5 !~ /TFLOP/ && NF > 9 && $4 + 0 > 0 {
    if ($2 == " cuda bf16, text guidance 0 ") { bf16 = $4 + 0; one = share($5); two = share($7); edit = $8 + 0 }
    if ($2 == " cuda bf16, text guidance 2.5 ") guided = $8 + 0
    if ($2 == " cuda-fp8 bf16, text guidance 0 ") fp8 = $4 + 0
    if ($2 == " cuda q4_k, text guidance 0 ") { q4 = $4 + 0; room = $3 + 0 }
    if ($2 ~ /^ PyTorch /) torch = $8 + 0
}
END {
    say("one sequence, 65 % of the peak", one, one " %", one >= 65)
    say("the guidance pair, 70 % of the peak", two, two " %", two >= 70)
    say("a whole edit 2.5 times as fast as the released loop", torch && edit, sprintf("%.2f", edit ? torch / edit : 0), edit && torch / edit >= 2.5)
    say("the same at text guidance 2.5, 1.6 times", torch && guided, sprintf("%.2f", guided ? torch / guided : 0), guided && torch / guided >= 1.6)
    say("FP8 1.5 times our bf16", fp8 && bf16, sprintf("%.2f", fp8 ? bf16 / fp8 : 0), fp8 && bf16 / fp8 >= 1.5)
    say("Q4_K at most 5 % slower than bf16", q4 && bf16, sprintf("%.1f %%", bf16 ? 100 * (q4 / bf16 - 1) : 0), bf16 && q4 / bf16 <= 1.05)
    say("Q4_K in less than 6 GB", room, room " GB", room < 6)
}
