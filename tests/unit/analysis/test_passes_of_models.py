"""Passes of algorithms that people use: losses, norms, split and online softmax, two layers in a row."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from attnsim.analysis.passes import count_passes
from attnsim.einsum.ast import Cascade

TILES = "M=M1,M0"
LAYER = (
    "K[m,d]=X[m,d]*W[d]; Q[p,d]=X[p,d]*W[d]; S[m,p]=Q[p,d]*K[m,d]; G[p]=max(m) S[m,p]; N[m,p]=exp(S[m,p]-G[p]);"
    "L[p]=N[m,p]; A[m,p]=N[m,p]/L[p]; O[p,d]=A[m,p]*X[m,d]; Y[p,d]=X[p,d]+O[p,d]"
)
NEXT = (
    "K2[m,d]=Y[m,d]*W[d]; Q2[p,d]=Y[p,d]*W[d]; S2[m,p]=Q2[p,d]*K2[m,d]; G2[p]=max(m) S2[m,p];"
    "N2[m,p]=exp(S2[m,p]-G2[p]); L2[p]=N2[m,p]; A2[m,p]=N2[m,p]/L2[p]; O2[p,d]=A2[m,p]*Y[m,d]; Y2[p,d]=Y[p,d]+O2[p,d]"
)

MODELS = {
    "split softmax (flash decoding)": (
        "M P F",
        "S[m,p] V[f,m]",
        (
            "LM[m1,p]=max(m0) S[m1,m0,p]; N[m1,m0,p]=exp(S[m1,m0,p]-LM[m1,p]); LD[m1,p]=N[m1,m0,p];"
            "LN[f,m1,p]=N[m1,m0,p]*V[f,m1,m0]; G[p]=max(m1) LM[m1,p]; C[m1,p]=exp(LM[m1,p]-G[p]);"
            "D[p]=LD[m1,p]*C[m1,p]; O[f,p]=LN[f,m1,p]*C[m1,p]; A[f,p]=O[f,p]/D[p]"
        ),
        {"split": TILES},
        {"M": 1, "M1": 2, "M0": 2},
    ),
    "online softmax, key by key": (
        "M F",
        "S[m] V[f,m]",
        (
            "R[m+1]=max(R[m],S[m]); C[m]=exp(R[m]-R[m+1]); N[m]=exp(S[m]-R[m+1]); D[m+1]=D[m]*C[m]+N[m];"
            "O[f,m+1]=O[f,m]*C[m]+N[m]*V[f,m]; A[f]=O[f,M]/D[M]"
        ),
        {"iterate": "m", "start": "R D O"},
        {"M": 1, "F": 1},
    ),
    "online normalizer, then the weights (Milakov and Gimelshein)": (
        "M",
        "S[m]",
        "R[m+1]=max(R[m],S[m]); D[m+1]=D[m]*exp(R[m]-R[m+1])+exp(S[m]-R[m+1]); A[m]=exp(S[m]-R[M])/D[M]",
        {"iterate": "m", "start": "R D"},
        {"M": 2},
    ),
    "three passes, written with tiles": (
        "M P",
        "S[m,p]",
        "G[p]=max(m1,m0) S[m1,m0,p]; N[m1,m0,p]=exp(S[m1,m0,p]-G[p]); D[p]=N[m1,m0,p]; A[m1,m0,p]=N[m1,m0,p]/D[p]",
        {"split": TILES},
        {"M": 3, "M1": 3, "M0": 3},
    ),
    "online softmax with both ranks tiled, causal": (
        "M P",
        "S[m,p]",
        (
            "QK[m1,m0,p1,p0]=S[m1*M0+m0,p1*P0+p0] where m1*M0+m0 <= p1*P0+p0; LM[m1,p1,p0]=max(m0) QK[m1,m0,p1,p0];"
            "R[m1+1,p1,p0]=max(R[m1,p1,p0],LM[m1,p1,p0]); N[m1,m0,p1,p0]=exp(QK[m1,m0,p1,p0]-R[m1+1,p1,p0]);"
            "L[m1,p1,p0]=N[m1,m0,p1,p0]; C[m1,p1,p0]=exp(R[m1,p1,p0]-R[m1+1,p1,p0]);"
            "D[m1+1,p1,p0]=D[m1,p1,p0]*C[m1,p1,p0]+L[m1,p1,p0]; O[p1,p0]=D[M1,p1,p0]"
        ),
        {"split": f"{TILES} P=P1,P0", "iterate": "m1", "start": "R D"},
        {"M": 1, "M1": 1, "M0": 2, "P": 1, "P1": 1, "P0": 1},
    ),
    "log softmax": ("M", "X[m]", "G=max(m) X[m]; D=exp(X[m]-G); Y[m]=X[m]-G-log(D)", {}, {"M": 3}),
    "cross entropy": ("M", "X[m] T[m]", "G=max(m) X[m]; D=exp(X[m]-G); L=T[m]*X[m]; Y=L-G-log(D)", {}, {"M": 2}),
    "RMS norm": ("D P", "X[d,p] W[d]", "S[p]=square(X[d,p]); Y[d,p]=X[d,p]*rsqrt(S[p])*W[d]", {}, {"D": 2, "P": 1}),
    "batch norm": (
        "N C P",
        "X[n,c,p]",
        "U[c]=X[n,c,p]; D[n,c,p]=X[n,c,p]-U[c]; V[c]=square(D[n,c,p]); Y[n,c,p]=D[n,c,p]*rsqrt(V[c])",
        {},
        {"N": 3, "P": 3, "C": 1},
    ),
    "group norm": (
        "D P",
        "X[d,p]",
        (
            "U[d1,p]=X[d1,d0,p]; C[d1,d0,p]=X[d1,d0,p]-U[d1,p]; V[d1,p]=square(C[d1,d0,p]);"
            "Y[d1,d0,p]=C[d1,d0,p]*rsqrt(V[d1,p])"
        ),
        {"split": "D=D1,D0"},
        {"D": 1, "D1": 1, "D0": 3},
    ),
    "cosine similarity": (
        "D M P",
        "A[d,m] B[d,p]",
        "NA[m]=square(A[d,m]); NB[p]=square(B[d,p]); S[m,p]=A[d,m]*B[d,p]; C[m,p]=S[m,p]*rsqrt(NA[m]*NB[p])",
        {},
        {"D": 1, "M": 1, "P": 1},
    ),
    "an outer product, normalised as a whole": (
        "M N",
        "X[m] Y[n]",
        "Z[m,n]=X[m]*Y[n]; S=Z[m,n]; W[m,n]=Z[m,n]/S",
        {},
        {"M": 2, "N": 2},
    ),
    "two layers of self-attention": ("P M D", "X[p,d] W[d]", f"{LAYER}; {NEXT}", {"same": "M=P"}, {"P": 7, "M": 3}),
    "a convolution in two dimensions": (
        "N K C H V P Q R S",
        "I[n,c,h,v] F[k,c,r,s]",
        "Y[n,k,p,q]=I[n,c,p+r,q+s]*F[k,c,r,s]; U[n,k]=Y[n,k,p,q]; Z[n,k,p,q]=Y[n,k,p,q]-U[n,k]",
        {},
        {"H": 2, "V": 2, "P": 2, "Q": 2, "R": 1, "S": 1, "C": 1, "K": 1},
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_passes_of_an_algorithm(name: str, cascade_of: Callable[..., Cascade]) -> None:
    ranks, inputs, einsums, more, expected = MODELS[name]
    counted = count_passes(cascade_of(ranks, inputs, einsums, **more), {})
    assert {rank: counted[rank].count for rank in expected} == expected
