; edit-folder.scm - the same edit for every picture that matches a pattern; results go beside them, as
; NAME-edited.png with the reasoning in NAME-edited.txt. One that fails does not stop the others.
;
;   gimp-console -i --quit --batch-interpreter plug-in-script-fu-eval \
;        -b '(load "/full/path/edit-folder.scm") (edit-folder "pictures/*.jpg" "make it winter")'

(define (edit-one in instruction)
  (let* ((image (car (gimp-file-load RUN-NONINTERACTIVE in)))
         (result (plug-in-thinking-aware-edit
                   #:run-mode RUN-NONINTERACTIVE #:image image
                   #:drawables (car (gimp-image-get-selected-drawables image))
                   #:instruction instruction #:use-selection FALSE))
         (stem (string-append (unbreakupstr (butlast (strbreakup in ".")) ".") "-edited")))
    (gimp-image-flatten image)
    (gimp-file-save RUN-NONINTERACTIVE image (string-append stem ".png"))
    (call-with-output-file (string-append stem ".txt")
      (lambda (port) (display (cadr result) port)))
    (gimp-image-delete image)))

(define (edit-folder pattern instruction)
  (let loop ((files (car (file-glob #:pattern pattern))))
    (if (pair? files)
        (begin
          (catch (gimp-message (string-append (car files) ": not edited"))
            (edit-one (car files) instruction))
          (loop (cdr files))))))
