; edit-folder.scm - the same edit for every picture that matches a pattern; results go beside them, as
; NAME-edited.png with the reasoning in NAME-edited.txt. One that fails does not stop the others.
;
;   gimp -i -b '(load "edit-folder.scm") (edit-folder "pictures/*.jpg" "make it winter")' \
;        -b '(gimp-quit 0)'

(define (edit-one in instruction)
  (let* ((image (car (gimp-file-load RUN-NONINTERACTIVE in in)))
         (layer (car (gimp-image-get-active-layer image)))
         (result (plug-in-thinking-aware-edit RUN-NONINTERACTIVE image layer instruction -1 0 FALSE ""))
         (stem (string-append (unbreakupstr (butlast (strbreakup in ".")) ".") "-edited"))
         (flat (car (gimp-image-flatten image)))
         (out (string-append stem ".png")))
    (gimp-file-save RUN-NONINTERACTIVE image flat out out)
    (call-with-output-file (string-append stem ".txt")
      (lambda (port) (display (cadr result) port)))
    (gimp-image-delete image)))

(define (edit-folder pattern instruction)
  (let loop ((files (cadr (file-glob pattern 1))))
    (if (pair? files)
        (begin
          (catch (gimp-message (string-append (car files) ": not edited"))
            (edit-one (car files) instruction))
          (loop (cdr files))))))
