# What docs/how_to/check_a_model.md says, from outside the tree: a model that agrees, and what is said of one that does not.
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
set(from "-DENGRAFT_SOURCE=${SOURCE}" -DCMAKE_DISABLE_FIND_PACKAGE_engraft=ON)
if(WAY STREQUAL "package")
    must_exit(0 "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix")
    set(from "-DENGRAFT_SOURCE=${SOURCE}" "-DCMAKE_PREFIX_PATH=${WORK}/prefix")
    if(SANITIZER)
        list(APPEND from "-DCMAKE_EXE_LINKER_FLAGS=${SANITIZER}")
    endif()
endif()

# Interventions too, in one of the two ways.
set(of_interventions)
if(WAY STREQUAL "package")
    file(COPY "${SOURCE}/tests/golden/data/llama_gqa" "${SOURCE}/tests/golden/data/llama_gqa_path_patching"
         DESTINATION "${WORK}")
    set(of_interventions "-DMODEL_OF_INTERVENTIONS=${WORK}/llama_gqa")
endif()

set(build "${CMAKE_COMMAND}" --build "${WORK}/build")
set(parity "${WORK}/build/parity" "${model}")
must_exit(0 "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/check_a_model" -B "${WORK}/build" -G "${GENERATOR}"
          "-DCMAKE_CXX_COMPILER=${COMPILER}" -DCMAKE_BUILD_TYPE=Debug "-DMODEL=${model}" ${of_interventions} ${from})
must_exit(0 ${build})
must_exit(0 ${parity})
must_say("\n# every site agrees\n")
must_say("\nscores\\.2 2 [0-9.e-]+ [0-9.e-]+\n")

# One wrong byte: the highest of the last weight.
file(SIZE "${model}/model.safetensors" bytes)
math(EXPR last "${bytes} - 1")
file(COPY_FILE "${model}/model.safetensors" "${WORK}/whole")
must_exit(0 sh -c "printf '\\101' | dd of=\"$0\" bs=1 seek=${last} conv=notrunc" "${model}/model.safetensors")
must_exit(1 ${parity})
must_say(" FAILED\n")
file(COPY_FILE "${WORK}/whole" "${model}/model.safetensors")

must_exit(2 "${WORK}/build/parity")
must_exit(2 "${WORK}/build/parity" "${SOURCE}")
must_say("no such file|neither|not a folder")

if(WAY STREQUAL "package")
    set(interventions "${WORK}/build/interventions" "${WORK}/llama_gqa_path_patching")
    must_exit(0 ${interventions})
    must_say("\n# every number agrees\n")
    must_say("\n[a-z_.]+\\.prob\\[sweep\\] [0-9.e-]+ [0-9.e-]+\n")

    # Another sender's noise: the numbers of the case are of the prompt that it names.
    file(READ "${WORK}/llama_gqa_path_patching/case.json" case)
    string(REGEX REPLACE "\"noise\": \\[([ \n]*)\\[([ \n]*)1," "\"noise\": [\\1[\\2 2," case "${case}")
    file(WRITE "${WORK}/llama_gqa_path_patching/case.json" "${case}")
    must_exit(1 ${interventions})
    must_say("\\[sweep\\] [^\n]* FAILED\n")
    must_exit(2 "${WORK}/build/interventions")
    must_exit(2 "${WORK}/build/interventions" "${SOURCE}")
    must_say("case.json.*can't be opened")
    return()
endif()

# A config that changes changes the header. What was compiled refuses it, and what is compiled anew computes it.
file(READ "${model}/config.json" config)
string(REPLACE "\"sliding_window\": 4" "\"sliding_window\": 5" config "${config}")
file(WRITE "${model}/config.json" "${config}")
must_exit(2 ${parity})
must_say("window is 5, described as 4")
must_exit(0 ${build})
must_exit(1 ${parity}) # the expected numbers are of the other window
must_say("scores\\.0 0 [^\n]* FAILED\n")

# What can't be described stops the build.
string(REPLACE "\"silu\"" "\"relu\"" config "${config}")
file(WRITE "${model}/config.json" "${config}")
execute_process(COMMAND ${build} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
    message(FATAL_ERROR "a model that is not supported was described")
endif()
must_say("unsupported: 'hidden_act' is 'relu'")
