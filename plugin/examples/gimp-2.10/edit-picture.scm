; edit-picture.scm - edits one picture by an instruction and saves it with the new layer.
;
;   gimp -i -b '(load "edit-picture.scm") (edit-picture "in.jpg" "make it winter" "out.xcf")' \
;        -b '(gimp-quit 0)'
;
; GIMP 2.10 ends with status 0 even after an error: look whether out.xcf is there.

(define (edit-picture in instruction out)
  (let* ((image (car (gimp-file-load RUN-NONINTERACTIVE in in)))
         (layer (car (gimp-image-get-active-layer image)))
         (result (plug-in-thinking-aware-edit RUN-NONINTERACTIVE image layer instruction
                   -1       ; seed: a new one
                   0        ; output: a new layer
                   FALSE    ; the whole layer, not the selection
                   "")))    ; options, e.g. "preset=fast image-steps=10"
    (gimp-file-save RUN-NONINTERACTIVE image (car result) out out)
    (gimp-message (cadr result)) ; the reasoning
    (gimp-image-delete image)))
