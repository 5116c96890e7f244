; save-reasoning.scm - writes the reasoning of the topmost layer that came from an edit into a text file.
;
;   gimp -i -b '(load "save-reasoning.scm") (save-reasoning "edited.xcf" "why.txt")' \
;        -b '(gimp-quit 0)'

(define (edited? layer)
  (let ((names (cadr (gimp-item-get-parasite-list layer))))
    (member "thinking-edit" names)))

(define (save-reasoning in out)
  (let* ((image (car (gimp-file-load RUN-NONINTERACTIVE in in))))
    (let loop ((layers (vector->list (cadr (gimp-image-get-layers image)))))
      (cond
        ((null? layers) (error "no layer of this image came from a thinking-aware edit:" in))
        ((edited? (car layers))
          (call-with-output-file out
            (lambda (port)
              (display (car (plug-in-thinking-aware-edit-reasoning (car layers))) port))))
        (else (loop (cdr layers)))))
    (gimp-image-delete image)))
