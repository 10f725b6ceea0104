# The fragile part of the tests under the arithmetic of other processors; included by the Makefile.
# PyTorch, oneDNN and MKL are told to use less than this processor has: MKL takes another way on AMD than on Intel, to
# which its COMPATIBLE comes close. Fragile are figures that a search or a chain of draws finds anew, and the games of the
# notebooks, in which a difference in the last digit grows to another course.
PORTABLE_ZOO := logistic-pca or rbm-cd1 or judge or linear or small-aes or vae-2d-mnist or faces
PORTABLE_TESTS := tests/test_losses.py tests/test_rbm.py tests/test_vae.py tests/test_pca.py tests/test_logistic_pca.py \
	tests/test_gan.py
PORTABLE_NOTEBOOKS := chapters/06_variational/02_the_bound.ipynb chapters/07_boltzmann/02_contrastive_divergence.ipynb \
	chapters/09_adversarial/02_two_players.ipynb
AVX2 := ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 OMP_NUM_THREADS=1
PLAIN := ONEDNN_MAX_CPU_ISA=SSE41 ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE OMP_NUM_THREADS=1
THREADS := OMP_NUM_THREADS=8 MKL_NUM_THREADS=8 MKL_DYNAMIC=FALSE

test-portable: $(STAMP)  ## what depends on arithmetic, as without AMX and AVX-512, in plain SSE, and on 8 threads
	@failed=0; for setting in "$(AVX2)" "$(PLAIN)" "$(THREADS)"; do \
		echo "== $$setting"; \
		run="env $$setting OMP_WAIT_POLICY=passive TQDM_DISABLE=1 $(WARM) $(BIN)/python -m pytest -q -n 2"; \
		$$run tests/test_zoo.py -k "on_record and ($(PORTABLE_ZOO))" || failed=1; \
		$$run --dist loadfile $(PORTABLE_TESTS) || failed=1; \
		$$run --dist loadfile --nbval-lax --nbval-kernel-name python3 $(PORTABLE_NOTEBOOKS) || failed=1; \
	done; exit $$failed

.PHONY: test-portable
