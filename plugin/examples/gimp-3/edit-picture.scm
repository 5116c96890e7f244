; edit-picture.scm - edits one picture by an instruction and saves it with the new layer.
;
;   gimp-console -i --quit --batch-interpreter plug-in-script-fu-eval \
;        -b '(load "/full/path/edit-picture.scm") (edit-picture "in.jpg" "make it winter" "out.xcf")'
;
; After an error GIMP 3 ends with status 70.

(define (edit-picture in instruction out)
  (let* ((image (car (gimp-file-load RUN-NONINTERACTIVE in)))
         (result (plug-in-thinking-aware-edit
                   #:run-mode RUN-NONINTERACTIVE #:image image
                   #:drawables (car (gimp-image-get-selected-drawables image))
                   #:instruction instruction
                   #:use-selection FALSE ; the whole layer
                   #:options ""))) ; e.g. "preset=fast image-steps=10"
    (gimp-file-save RUN-NONINTERACTIVE image out)
    (gimp-message (cadr result)) ; the reasoning
    (gimp-image-delete image)))
