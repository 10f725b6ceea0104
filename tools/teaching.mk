# The instructor's commands, included by the Makefile; they are explained in pages/teaching.md.
# COURSE is the folder for submissions, marks and feedback, EXERCISES where the assignments' sources lie.
COURSE ?= course
EXERCISES ?= chapters/exercises
SANDBOX ?= docker
GRADING = REPGEN_COURSE="$(COURSE)" REPGEN_EXERCISES="$(EXERCISES)" REPGEN_SANDBOX="$(SANDBOX)" OMP_NUM_THREADS=1
NBGRADER = $(GRADING) $(VENV)/bin/python -m nbgrader
GRADE = $(GRADING) $(VENV)/bin/python tools/grade.py

need-assignment:
	@test -n "$(ASSIGNMENT)" || { echo "say which assignment, e.g. make release ASSIGNMENT=01_foundations"; exit 2; }

release: $(STAMP) need-assignment  ## the student's version of ASSIGNMENT, and its place in the gradebook
	@$(NBGRADER) generate_assignment $(ASSIGNMENT) --create --force --log-level=WARN
	@echo "to hand out: $(COURSE)/release/$(ASSIGNMENT)/$(ASSIGNMENT).ipynb"

collect: $(STAMP) need-assignment  ## the submissions in the folder or zip FROM, sorted by student
	@test -n "$(FROM)" || { echo "say where they are, e.g. make collect ASSIGNMENT=$(ASSIGNMENT) FROM=downloads.zip"; exit 2; }
	@$(GRADE) collect "$(ASSIGNMENT)" "$(FROM)"

grading-image:  ## the container in which students' code runs
	docker build --file tools/grading/Dockerfile --tag repgen-grading .

autograde: $(STAMP) need-assignment  ## run the tests on all new submissions, in the SANDBOX (docker, bwrap or none)
	@$(NBGRADER) autograde $(ASSIGNMENT) --log-level=ERROR $(if $(STUDENT),--student="$(STUDENT)" --force)
	@echo "points so far: make grades ASSIGNMENT=$(ASSIGNMENT)"

formgrade: $(STAMP)  ## grade the written answers by hand, in the browser
	$(GRADING) $(VENV)/bin/jupyter lab --LabApp.default_url=/formgrader

feedback: $(STAMP) need-assignment  ## a page of feedback for each student
	@$(NBGRADER) generate_feedback $(ASSIGNMENT) --force --log-level=WARN
	@echo "to hand back: $(COURSE)/feedback/<student>/$(ASSIGNMENT)/$(ASSIGNMENT).html"

grades: $(STAMP) need-assignment  ## the marks as CSV
	@$(GRADE) grades "$(ASSIGNMENT)"

check-submission: $(STAMP)  ## for students: do the visible tests pass in FILE?
	@$(GRADE) check "$(FILE)"

assignments: $(STAMP)  ## write assignments/*.ipynb, the exercises as students get them, anew from their sources
	@$(GRADE) students

.PHONY: need-assignment release collect grading-image autograde formgrade feedback grades check-submission assignments
