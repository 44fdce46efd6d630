# A user's projects from nothing: README.md's program, and what docs/how_to/check_a_model.md says with a model that agrees
# and with others that do not. The whole of it with the package that is installed (WAY is package); with the source as a
# subdirectory, what CMake has to do differently there.
cmake_minimum_required(VERSION 3.25...3.31)

function(must_exit CODE)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL CODE)
        list(JOIN ARGN " " command)
        message(NOTICE "${output}")
        message(FATAL_ERROR "exit code ${result}, not ${CODE}: ${command}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()
function(must_say WORDS)
    if(NOT output MATCHES "${WORDS}")
        message(NOTICE "${output}")
        message(FATAL_ERROR "the program says nothing of \"${WORDS}\"")
    endif()
endfunction()

foreach(flags CXXFLAGS CPPFLAGS LDFLAGS DESTDIR)
    unset(ENV{${flags}}) # a user's project starts with its own
endforeach()
file(REMOVE_RECURSE "${WORK}")
set(model "${WORK}/a model")
file(COPY "${SOURCE}/tests/golden/data/mistral/" DESTINATION "${model}")

if(WAY STREQUAL "package")
    must_exit(0 "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix")
    file(GLOB_RECURSE installed "${WORK}/prefix/*")
    list(FILTER installed EXCLUDE REGEX "\\.a$") # what a debugger is told may name it
    foreach(file IN LISTS installed)
        file(READ "${file}" text)
        string(FIND "${text}" "${SOURCE}/" at)
        if(NOT at EQUAL -1)
            message(FATAL_ERROR "an installed file names the source tree, so it works only where that is: ${file}")
        endif()
    endforeach()
    file(GLOB cases "${SOURCE}/tests/golden/data/llama_gqa*")
    file(COPY ${cases} DESTINATION "${WORK}")
    set(from "-DCMAKE_PREFIX_PATH=${WORK}/prefix" "-DENGRAFT_VERSION=${VERSION}" -DOPTIMISE_CONSUMER=ON)
    if(LONG)
        list(APPEND from "-DMODEL_OF_INTERVENTIONS=${WORK}/llama_gqa")
    endif()
    if(SANITIZER)
        list(APPEND from "-DCMAKE_EXE_LINKER_FLAGS=${SANITIZER}")
    endif()
    set(targets)
    if(NOT LONG)
        set(targets --target consumer parity)
    endif()
else()
    set(from -DCMAKE_DISABLE_FIND_PACKAGE_engraft=ON)
    set(targets --target consumer engraft_describe_parity_my_model)
endif()

# Without what only a debugger reads. What it runs is small, but for the consumer and the cases of interventions.
set(optimisation -O0)
if(LONG)
    set(optimisation -O1)
endif()
must_exit(0 "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/user" -B "${WORK}/build" -G "${GENERATOR}"
          "-DCMAKE_CXX_COMPILER=${COMPILER}" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=${optimisation}
          -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "-DENGRAFT_SOURCE=${SOURCE}" "-DMODEL=${model}" ${from})
set(build "${CMAKE_COMMAND}" --build "${WORK}/build")
must_exit(0 ${build} ${targets})

if(WAY STREQUAL "package")
    must_exit(0 "${WORK}/build/consumer/consumer" "${SOURCE}/examples/pair")
else()
    must_exit(2 "${WORK}/build/consumer/consumer" "${WORK}/nowhere")
    must_say("nowhere")
endif()
if(WAY STREQUAL "package" AND LONG)
    must_exit(0 "${WORK}/build/consumer/consumer_header_only" "${SOURCE}/examples/pair")
endif()

# Our warnings and our processor are not the user's.
file(READ "${WORK}/build/compile_commands.json" commands)
if(commands MATCHES " (-W[a-z]+|-march=[a-z0-9-]+)")
    message(FATAL_ERROR "the user's program is compiled with ${CMAKE_MATCH_1}")
endif()

if(NOT WAY STREQUAL "package")
    file(STRINGS "${WORK}/build/check_a_model/engraft_describe/parity/engraft_models/my_model.hpp" described
         REGEX "engraft::description my_model{")
    if(described STREQUAL "")
        message(FATAL_ERROR "the model has no description")
    endif()
    return()
endif()

# --- check a model ---------------------------------------------------------------------------------------------------
set(parity "${WORK}/build/check_a_model/parity" "${model}")
must_exit(0 ${parity})
must_say("\n# every site agrees\n")
must_say("\nscores\\.2 2 [0-9.e-]+ [0-9.e-]+\n")
if(output MATCHES "not compared")
    message(FATAL_ERROR "sites are left out:\n${output}")
endif()

# One wrong byte: the highest of the last weight.
file(SIZE "${model}/model.safetensors" bytes)
math(EXPR last "${bytes} - 1")
file(COPY_FILE "${model}/model.safetensors" "${WORK}/whole")
must_exit(0 sh -c "printf '\\101' | dd of=\"$0\" bs=1 seek=${last} conv=notrunc" "${model}/model.safetensors")
must_exit(1 ${parity})
must_say(" FAILED\n")
file(COPY_FILE "${WORK}/whole" "${model}/model.safetensors")

must_exit(2 "${WORK}/build/check_a_model/parity")
must_exit(2 "${WORK}/build/check_a_model/parity" "${SOURCE}")
must_say("no such file|neither|not a folder")

# --- interventions ---------------------------------------------------------------------------------------------------
if(LONG)
    set(interventions "${WORK}/build/check_a_model/interventions")
    foreach(kind activation_patching knockout mean_ablation path_patching)
        must_exit(0 "${interventions}" "${WORK}/llama_gqa_${kind}")
        must_say("\n# every number agrees\n")
        must_say("\n[a-z_.]+\\.prob\\[sweep\\] [0-9.e-]+ [0-9.e-]+\n")
    endforeach()
    foreach(kind gradients dcm)
        must_exit(0 "${interventions}" "${WORK}/llama_gqa_${kind}")
        must_say("\n# every number agrees\n")
    endforeach()

    # Another sender's noise: the numbers of the case are of the prompt that it names.
    file(READ "${WORK}/llama_gqa_path_patching/case.json" case)
    string(REGEX REPLACE "\"noise\": \\[([ \n]*)\\[([ \n]*)1," "\"noise\": [\\1[\\2 2," case "${case}")
    file(WRITE "${WORK}/llama_gqa_path_patching/case.json" "${case}")
    must_exit(1 "${interventions}" "${WORK}/llama_gqa_path_patching")
    must_say("\\[sweep\\] [^\n]* FAILED\n")
    must_exit(2 "${interventions}")
    must_exit(2 "${interventions}" "${SOURCE}")
    must_say("case.json.*can't be opened")
endif()

# --- another config --------------------------------------------------------------------------------------------------
# A config that changes changes the header. What was compiled refuses it, and what is compiled anew computes it.
file(READ "${model}/config.json" config)
string(REPLACE "\"sliding_window\": 4" "\"sliding_window\": 5" config "${config}")
file(WRITE "${model}/config.json" "${config}")
must_exit(2 ${parity})
must_say("window is 5, described as 4")
must_exit(0 ${build} --target parity)
must_exit(1 ${parity}) # the expected numbers are of the other window
must_say("scores\\.0 0 [^\n]* FAILED\n")

# What can't be described stops the build.
string(REPLACE "\"silu\"" "\"relu\"" config "${config}")
file(WRITE "${model}/config.json" "${config}")
execute_process(COMMAND ${build} --target parity RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
    message(FATAL_ERROR "a model that is not supported was described")
endif()
must_say("unsupported: 'hidden_act' is 'relu'")
